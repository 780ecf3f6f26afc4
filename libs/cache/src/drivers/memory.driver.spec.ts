import { beforeEach, describe, expect, it } from '@jest/globals';
import { runCacheDriverSuite } from '../testing.js';
import type { StoredValue } from './cache-driver.js';
import { MemoryCacheDriver } from './memory.driver.js';

let now = 0;

runCacheDriverSuite({
  name: 'the memory of the process',
  describe,
  it,
  create: () => new MemoryCacheDriver(() => now),
  key: (name) => name,
  elapse: async (ms) => {
    now += ms;
  },
});

describe('The cache in the memory of the process', () => {
  let driver: MemoryCacheDriver;

  beforeEach(() => {
    driver = new MemoryCacheDriver(() => now);
  });

  const value = (body: string): StoredValue => ({
    body,
    header: {
      version: `${now}-${body}`,
      writtenAt: now,
      ttlMs: 60_000,
      graceMs: 0,
      loadMs: 0,
      revision: '',
      format: '',
      tags: [],
      stamp: undefined,
    },
  });
  const stateOf = async (key: string): Promise<string> => (await driver.read([key], false)).entries[0]!.state;

  it('holds at most 10,000 entries: the oldest leaves first', async () => {
    for (let index = 0; index < 10_001; index++) await driver.set(`key ${index}`, value('value'));

    expect(await stateOf('key 0')).toBe('absent');
    expect(await stateOf('key 1')).toBe('value');
    expect(await stateOf('key 10000')).toBe('value');
  });

  it('counts an entry that is written again as young', async () => {
    for (let index = 0; index < 10_000; index++) await driver.set(`key ${index}`, value('value'));
    await driver.set('key 0', value('again'));
    await driver.set('one more', value('value'));

    expect(await stateOf('key 0')).toBe('value');
    expect(await stateOf('key 1')).toBe('absent');
  });

  it('is bounded in leases, too, and one that had to leave stores nothing', async () => {
    await driver.lease('first', 'a', 60_000);
    for (let index = 0; index < 10_000; index++) await driver.lease(`key ${index}`, 'b', 60_000);

    expect(await driver.fill('first', 'a', value('value'))).toBe(false);
    expect(await driver.lease('first', 'c', 60_000)).toEqual({ state: 'granted' });
  });

  it('remembers the last 10,000 tags: entries from before those it has forgotten are invalid', async () => {
    const before = (await driver.invalidateTags(['first']))!.seq;
    for (let index = 0; index < 10_000; index++) await driver.invalidateTags([`tag ${index}`]);

    expect((await driver.tagState()).floor).toBe(before);
  });
});
