import { describe, expect, it } from '@jest/globals';
import { LoadChain } from './load-chain.js';

describe('The chain of loads', () => {
  it('knows whether a loader calls', async () => {
    const chain = new LoadChain();
    expect(chain.inside).toBe(false);

    await chain.run('a', async () => {
      await Promise.resolve();
      expect(chain.inside).toBe(true);
    });
    expect(chain.inside).toBe(false);
  });

  it('closes at the own key of a loader, and not at others', async () => {
    const chain = new LoadChain();
    expect(chain.closesAt('a')).toBe(false);

    await chain.run('a', () => {
      expect(chain.closesAt('a')).toBe(true);
      expect(chain.closesAt('b')).toBe(false);
    });
  });

  it('closes where one waits for another that waits for it, over any number of links, until they are done', async () => {
    const chain = new LoadChain();
    let finish!: () => void;
    const result = new Promise<void>((resolve) => (finish = resolve));
    const waits = [
      chain.run('a', () => chain.waiting('b', result)),
      chain.run('b', () => chain.waiting('x', result)),
      chain.run('b', () => chain.waiting('c', result)),
    ];

    await chain.run('c', () => {
      expect(chain.closesAt('a')).toBe(true);
      expect(chain.closesAt('b')).toBe(true);
      expect(chain.closesAt('x')).toBe(false);
    });
    finish();
    await Promise.all(waits);
    await chain.run('c', () => expect(chain.closesAt('a')).toBe(false));
  });

  it('does not go round in circles', async () => {
    const chain = new LoadChain();
    let finish!: () => void;
    const result = new Promise<void>((resolve) => (finish = resolve));
    const waits = [chain.run('a', () => chain.waiting('b', result)), chain.run('b', () => chain.waiting('a', result))];

    await chain.run('c', () => expect(chain.closesAt('a')).toBe(false));
    finish();
    await Promise.all(waits);
  });

  it('forgets waits that have failed', async () => {
    const chain = new LoadChain();
    const failed = chain.run('a', () => chain.waiting('b', Promise.reject(new Error('away'))));

    await expect(failed).rejects.toThrow('away');
    await chain.run('b', () => expect(chain.closesAt('a')).toBe(false));
  });

  it('lets the error of a loader through', async () => {
    const chain = new LoadChain();
    const fail = (): never => {
      throw new RangeError('no such user');
    };

    await expect(chain.run('a', fail)).rejects.toThrow(RangeError);
    expect(chain.inside).toBe(false);
  });
});
