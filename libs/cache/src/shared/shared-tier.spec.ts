import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RedisUnreachableError } from '@nuthatch/redis';
import { MemoryCacheDriver } from '../drivers/memory.driver.js';
import { StagedDriver } from '../fixtures/staged-driver.js';
import { Journal } from '../outage/journal.js';
import { SharedTier } from './shared-tier.js';

const away = new RedisUnreachableError('default', 'ECONNREFUSED', 'not-executed');

let staged: StagedDriver;
let journal: Journal;
let shared: SharedTier;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  staged = new StagedDriver(new MemoryCacheDriver());
  journal = new Journal(staged, '*');
  shared = new SharedTier(staged, journal, 'default', 45);
});
afterEach(() => {
  jest.useRealTimers();
});

const read = (): Promise<unknown> => shared.run((driver) => driver.read(['a'], false));

describe('The shared tier', () => {
  it('is asked at once while nothing is noted for it', async () => {
    const reading = read();
    expect(staged.calls).toEqual(['read']);
    await reading;
  });

  it('is told what is noted before it is asked', async () => {
    journal.noteDelete(['a']);
    journal.noteTags(['t']);
    await read();

    expect(staged.calls).toEqual(['invalidateTags', 'delete', 'read']);
  });

  it('is not asked at all while it cannot be told', async () => {
    journal.noteDelete(['a']);
    staged.fail('delete', away);

    await expect(read()).rejects.toBe(away);
    expect(staged.count('read')).toBe(0);
    staged.recover();
    await read();
    expect(staged.count('read')).toBe(1);
  });

  it('is told also what was noted while it was being told', async () => {
    journal.noteDelete(['a']);
    const hold = staged.holdBefore('delete');
    const reading = read();
    await hold.reached;
    journal.noteDelete(['b']);
    hold.release();
    await reading;

    expect(staged.calls).toEqual(['delete', 'delete', 'read']);
  });

  it('keeps nobody waiting for longer than a call may take', async () => {
    journal.noteDelete(['a']);
    const hold = staged.holdBefore('delete');
    const reading = read();
    const outcome = expect(reading).rejects.toThrow(RedisUnreachableError);
    await hold.reached;
    await jest.advanceTimersByTimeAsync(45);
    await outcome;

    expect(staged.count('read')).toBe(0);
    hold.release();
  });

  it('tells a reader of one key of an error in the way that it asked for, whether it was noted before or comes now', async () => {
    const readOne = (): Promise<string> =>
      shared.readOne(
        'a',
        false,
        ({ stored }) => stored.state,
        (error) => `refused: ${error === away}`,
      );
    expect(await readOne()).toBe('absent');

    staged.fail('read', away);
    expect(await readOne()).toBe('refused: true');
    staged.recover();
    journal.noteDelete(['a']);
    staged.fail('delete', away);
    expect(await readOne()).toBe('refused: true');
    await expect(shared.readOne('a', false, ({ stored }) => stored.state)).rejects.toBe(away);
    staged.recover();

    expect(await readOne()).toBe('absent');
  });

  it('leaves no timer behind', async () => {
    journal.noteDelete(['a']);
    await read();

    expect(jest.getTimerCount()).toBe(0);
  });

  it('serves callers in the order in which they came', async () => {
    journal.noteDelete(['a']);
    const order: string[] = [];
    const first = shared.run(async () => order.push('first'));
    const second = shared.run(async () => order.push('second'));
    await Promise.all([first, second]);

    expect(order).toEqual(['first', 'second']);
  });
});
