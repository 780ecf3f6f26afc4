import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { CacheValueError } from '../cache.errors.js';
import type { CacheService } from '../cache.service.js';
import { MemoryCacheDriver } from '../drivers/memory.driver.js';
import { closeCaches, openCache, turn } from '../fixtures/open-cache.js';
import { StagedDriver } from '../fixtures/staged-driver.js';
import { MisfitError } from '../typed/schema-check.js';

let driver: StagedDriver;
let users: CacheService;
let accepted: unknown[];

/** What the schema of the cache makes of a value. */
async function accept(value: unknown): Promise<unknown> {
  accepted.push(value);
  const { name } = value as { name?: unknown };
  if (typeof name !== 'string') throw new MisfitError('users', '$.name: Expected string');
  return { name: name.toUpperCase() };
}

async function open(options: { local?: false } = {}): Promise<void> {
  driver = new StagedDriver(new MemoryCacheDriver());
  users = openCache(driver, options).cache.defined('users', undefined, '', accept);
  await turn();
}

async function stored(key: string): Promise<unknown> {
  const [found] = (await driver.read([`app:cache:users:${key}`], false)).entries;
  return found?.state === 'value' ? JSON.parse(String(found.entry.body)) : undefined;
}

beforeEach(() => {
  accepted = [];
});
afterEach(closeCaches);

describe.each([
  ['with a tier in process', {}],
  ['without one', { local: false }],
] as const)('A value that the schema of its cache refuses, %s,', (_, options) => {
  beforeEach(async () => {
    await open(options);
    await users.set('a', { name: 'Ada' });
    driver.calls.length = 0;
  });

  it('is not set: nothing is sent, and what was there before stays', async () => {
    const set = users.set('a', { name: 5 });

    await expect(set).rejects.toThrow(CacheValueError);
    await expect(set).rejects.toThrow('$.name: Expected string');
    expect(driver.calls).toEqual([]);
    expect(await stored('a')).toEqual({ name: 'Ada' });
    expect(await users.get('a')).toEqual({ name: 'ADA' });
  });

  it('is not set with many either, and none of the others is', async () => {
    const set = users.setMany([
      ['a', { name: 'Bob' }],
      ['b', { name: 5 }],
    ]);

    await expect(set).rejects.toThrow(CacheValueError);
    expect(driver.calls).toEqual([]);
    expect([await stored('a'), await stored('b')]).toEqual([{ name: 'Ada' }, undefined]);
  });

  it('is not persisted, when it would be written through', async () => {
    const persist = jest.fn();

    await expect(users.writeThrough('a', { name: 5 }, persist)).rejects.toThrow(CacheValueError);

    expect(persist).not.toHaveBeenCalled();
    expect(driver.calls).toEqual([]);
    expect(await stored('a')).toEqual({ name: 'Ada' });
  });

  it('does not stand in the way of one that is set meanwhile', async () => {
    const sets = [users.set('a', { name: 'Bob' }), users.set('a', { name: 5 }), users.set('a', { name: 'Cleo' })];
    await Promise.allSettled(sets);

    expect(await stored('a')).toEqual({ name: 'Cleo' });
    expect(await users.get('a')).toEqual({ name: 'CLEO' });
  });
});

describe('A value that the schema of its cache takes', () => {
  it.each<[string, () => Promise<void>]>([
    ['set', () => users.set('a', { name: 'Ada' })],
    ['set with many', () => users.setMany([['a', { name: 'Ada' }]])],
    ['written through', () => users.writeThrough('a', { name: 'Ada' }, () => undefined)],
  ])('is looked at once when it is %s, and served from here as the schema made it', async (_, write) => {
    await open();
    await write();

    expect(accepted).toEqual([{ name: 'Ada' }]);
    await turn();
    expect(users.peek('a')).toEqual({ name: 'ADA' });
    expect(await stored('a')).toEqual({ name: 'Ada' });
    expect(accepted).toHaveLength(1);
  });
});
