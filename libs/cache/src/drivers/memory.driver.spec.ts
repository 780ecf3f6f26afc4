import { beforeEach, describe, expect, it } from '@jest/globals';
import { runCacheDriverSuite } from '../testing.js';
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

  it('holds at most 10,000 entries: the oldest leaves first', async () => {
    for (let index = 0; index < 10_001; index++) await driver.set(`key ${index}`, 'value', 60_000);

    expect(await driver.has('key 0')).toBe(false);
    expect(await driver.has('key 1')).toBe(true);
    expect(await driver.has('key 10000')).toBe(true);
  });

  it('counts an entry that is written again as young', async () => {
    for (let index = 0; index < 10_000; index++) await driver.set(`key ${index}`, 'value', 60_000);
    await driver.set('key 0', 'again', 60_000);
    await driver.set('one more', 'value', 60_000);

    expect(await driver.get('key 0')).toBe('again');
    expect(await driver.has('key 1')).toBe(false);
  });

  it('is bounded in leases, too, and one that had to leave stores nothing', async () => {
    await driver.getOrLease('first', 'a', 60_000);
    for (let index = 0; index < 10_000; index++) await driver.getOrLease(`key ${index}`, 'b', 60_000);

    expect(await driver.fill('first', 'a', 'value', 60_000)).toBe(false);
    expect(await driver.getOrLease('first', 'c', 60_000)).toEqual({ state: 'leased' });
  });

  it('can be looked at without waiting, which shows values and not leases', async () => {
    await driver.set('value', 'here', 1_000);
    await driver.getOrLease('lease', 'a', 1_000);

    expect(driver.peek('value')).toBe('here');
    expect(driver.peek('lease')).toBeUndefined();
    now += 1_000;
    expect(driver.peek('value')).toBeUndefined();
  });
});
