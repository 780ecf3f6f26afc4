import { describe, expect, it, jest } from '@jest/globals';
import { LoadBatch } from './load-batch.js';
import { LoadChain } from './load-chain.js';

type Load = (missing: string[]) => Promise<ReadonlyMap<string, unknown>>;

const upper = jest.fn<Load>(async (missing) => new Map(missing.map((name) => [name, name.toUpperCase()])));
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function batchOf(names: string[], load: Load = upper, chain = new LoadChain()): LoadBatch {
  upper.mockClear();
  return new LoadBatch(names, load, chain);
}

describe('A batch', () => {
  it('loads all that is missing by one call, once every key has been read, in the order of the keys', async () => {
    const batch = batchOf(['a', 'b', 'c']);
    batch.noteRead('b');
    const values = [batch.valueFor('c'), batch.valueFor('a')];
    batch.noteRead('c');
    await turn();
    expect(upper).not.toHaveBeenCalled();
    batch.noteRead('a');

    expect(await Promise.all(values)).toEqual(['C', 'A']);
    expect(upper.mock.calls).toEqual([[['a', 'c']]]);
  });

  it('loads nothing when nothing is missing', async () => {
    const batch = batchOf(['a']);
    batch.noteRead('a');
    await turn();

    expect(upper).not.toHaveBeenCalled();
  });

  it('does not count a key twice that was read twice', async () => {
    const batch = batchOf(['a', 'b']);
    const value = batch.valueFor('a');
    batch.noteRead('a');
    batch.noteRead('a');
    await turn();
    expect(upper).not.toHaveBeenCalled();
    batch.noteRead('b');

    expect(await value).toBe('A');
  });

  it('loads what turns out to be missing later with others of its moment', async () => {
    const batch = batchOf(['a', 'b', 'c']);
    const first = batch.valueFor('a');
    for (const name of ['a', 'b', 'c']) batch.noteRead(name);
    await first;
    const later = [batch.valueFor('b'), batch.valueFor('c')];

    expect(await Promise.all(later)).toEqual(['B', 'C']);
    expect(upper.mock.calls).toEqual([[['a']], [['b', 'c']]]);
  });

  it('has no value for a key that the load leaves out', async () => {
    const batch = batchOf(['a'], async () => new Map());
    const value = batch.valueFor('a');
    batch.noteRead('a');

    expect(await value).toBeUndefined();
  });

  it('that fails rejects for each missing key, and may be tried again', async () => {
    const load = jest.fn<Load>().mockRejectedValueOnce(new Error('database away')).mockImplementation(upper);
    const batch = batchOf(['a', 'b'], load);
    const values = [batch.valueFor('a'), batch.valueFor('b')];
    for (const name of ['a', 'b']) batch.noteRead(name);

    for (const value of values) await expect(value).rejects.toThrow('database away');
    expect(await batch.valueFor('a')).toBe('A');
  });

  it('knows that its loader loads each of the keys: asking for one would be to wait for itself', async () => {
    const chain = new LoadChain();
    const closes: boolean[] = [];
    const batch = batchOf(
      ['a', 'b', 'c'],
      async () => {
        await turn();
        closes.push(chain.closesAt('a'), chain.closesAt('b'), chain.closesAt('c'));
        return new Map();
      },
      chain,
    );
    const values = ['b', 'a'].map((name) => chain.run(name, () => batch.valueFor(name)));
    for (const name of ['a', 'b', 'c']) batch.noteRead(name);
    await Promise.all(values);

    expect(closes).toEqual([true, true, false]);
  });
});
