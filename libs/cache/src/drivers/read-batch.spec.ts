import { beforeEach, describe, expect, it } from '@jest/globals';
import type { ReadEntry } from './cache-driver.js';
import { ReadBatch } from './read-batch.js';

const away = new Error('away');

let batch: ReadBatch;

beforeEach(() => {
  batch = new ReadBatch();
});

const lease = (token: string): ReadEntry => ({ stored: { state: 'lease', token }, tagState: undefined });
const tokenOf = ({ stored }: ReadEntry): string => (stored.state === 'lease' ? stored.token : stored.state);
const ask = (key: string): Promise<string> => batch.add(key, false, tokenOf, undefined);

describe('Reads that leave together', () => {
  it('give each caller what it makes of its own key', async () => {
    const asked = ['a', 'b', 'a'].map(ask);

    batch.resolve((index) => lease(`${batch.keys[index]}${index}`));

    expect(await Promise.all(asked)).toEqual(['a0', 'b1', 'a2']);
  });

  it('ask for the state of the tags when anybody needs it', () => {
    void ask('a');
    expect(batch.withTags).toBe(false);
    void batch.add('b', true, tokenOf, undefined);
    expect(batch.withTags).toBe(true);
  });

  it('wait for a key that has to be read again, and only who asked for it waits', async () => {
    const settled: string[] = [];
    let reread: (read: ReadEntry) => void = () => undefined;
    const asked = ['a', 'b'].map((key) => ask(key).then((token) => settled.push(token)));

    batch.resolve((index) => (index === 0 ? new Promise((resolve) => (reread = resolve)) : lease('b')));
    await asked[1];
    expect(settled).toEqual(['b']);
    reread(lease('again'));
    await asked[0];

    expect(settled).toEqual(['b', 'again']);
  });

  it('fail for the caller alone who fails to make something of it', async () => {
    const fails = batch.add('a', false, () => Promise.reject(away), undefined);
    const throws = batch.add(
      'b',
      false,
      () => {
        throw away;
      },
      undefined,
    );
    const other = ask('c');

    batch.resolve(() => lease('token'));

    await expect(fails).rejects.toBe(away);
    await expect(throws).rejects.toBe(away);
    expect(await other).toBe('token');
  });

  it('fail for all, each in its own way', async () => {
    const plain = ask('a');
    const refused = batch.add('b', false, tokenOf, () => 'left over');
    const other = new Error('other');
    const throws = batch.add('c', false, tokenOf, () => {
      throw other;
    });

    batch.reject(away);

    await expect(plain).rejects.toBe(away);
    expect(await refused).toBe('left over');
    await expect(throws).rejects.toBe(other);
  });

  it('leave an error of a second reading to who asked for it', async () => {
    const refused = batch.add('a', false, tokenOf, (error) => (error === away ? 'left over' : 'something else'));

    batch.resolve(() => Promise.reject(away));

    expect(await refused).toBe('left over');
  });
});
