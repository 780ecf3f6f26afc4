import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { CacheService } from './cache.service.js';
import type { CacheKey } from './keys/cache-key.js';
import { MemoryCacheDriver } from './drivers/memory.driver.js';
import { closeCaches, heldLoad, openCache, turn } from './fixtures/open-cache.js';
import { StagedDriver } from './fixtures/staged-driver.js';

let store: MemoryCacheDriver;
let driver: StagedDriver;
let cache: CacheService;

beforeEach(async () => {
  store = new MemoryCacheDriver();
  driver = new StagedDriver(store);
  cache = openCache(driver, { local: false }).cache;
  await turn();
  driver.calls.length = 0;
});
afterEach(closeCaches);

type LoadMany = (missing: string[]) => Promise<Map<string, string>>;

const loadMany = (): jest.MockedFunction<LoadMany> =>
  jest.fn<LoadMany>(async (missing) => new Map(missing.map((key) => [key, `loaded ${key}`])));

const failing = jest.fn<LoadMany>(async () => {
  throw new Error('database away');
});

describe('Reading many keys', () => {
  it('takes one command, and has those in the result that there are, under the keys as they were given', async () => {
    await cache.setMany([
      ['a', 1],
      ['b:c', null],
    ]);
    driver.calls.length = 0;
    const listed = ['b', 'c'];

    const found = await cache.getMany<unknown, CacheKey>(['a', listed, 'absent', 'a']);

    expect([...found]).toEqual([
      ['a', 1],
      [listed, null],
    ]);
    expect(driver.calls).toEqual(['read']);
    expect(await cache.getMany([])).toEqual(new Map());
  });

  it('asks Redis only for what this process does not hold', async () => {
    const local = openCache(driver).cache;
    await local.set('a', 1);
    await cache.set('b', 2);
    await turn();
    const read = jest.spyOn(driver, 'read');

    expect(await local.getMany(['a', 'b'])).toEqual(
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
    );
    expect(read.mock.calls.map(([keys]) => keys)).toEqual([['app:cache:default:b']]);
    expect(await local.getMany(['a', 'b'])).toEqual(
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
    );
    expect(read).toHaveBeenCalledTimes(1);
  });
});

describe('Setting many keys', () => {
  it('stores each, with the same options', async () => {
    await cache.setMany(
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
      { tags: ['t'] },
    );
    expect(await cache.getMany(['a', 'b'])).toEqual(
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
    );
    await cache.invalidateTags('t');
    expect(await cache.getMany(['a', 'b'])).toEqual(new Map());
  });

  it('stores none when one of them cannot be stored', async () => {
    await expect(
      cache.setMany([
        ['a', 1],
        ['b', undefined],
      ]),
    ).rejects.toThrow('undefined cannot be cached');

    expect(await cache.has('a')).toBe(false);
  });

  it('stores the last of several values for one key', async () => {
    await cache.setMany([
      ['a', 1],
      ['a', 2],
    ]);

    expect(await cache.get('a')).toBe(2);
  });

  it('goes on with the others when one of them fails', async () => {
    const error = new TypeError('a bug');
    const set = driver.set.bind(driver);
    jest
      .spyOn(driver, 'set')
      .mockImplementation((key, entry) => (key.endsWith(':a') ? Promise.reject(error) : set(key, entry)));

    await expect(
      cache.setMany([
        ['a', 1],
        ['b', 2],
      ]),
    ).rejects.toBe(error);
    expect(await cache.get('b')).toBe(2);
  });

  it('of nothing does nothing', async () => {
    await cache.setMany([]);
    expect(driver.calls).toEqual([]);
  });
});

describe('Loading many keys', () => {
  it('calls the loader once, with those that are missing, in the order in which they were asked for', async () => {
    await cache.set('b', 'set b');
    const load = loadMany();

    const values = await cache.getOrSetMany(['c', 'b', 'a', 'c'], load);

    expect([...values]).toEqual([
      ['c', 'loaded c'],
      ['b', 'set b'],
      ['a', 'loaded a'],
    ]);
    expect(load.mock.calls).toEqual([[['c', 'a']]]);
    expect(await cache.getMany(['a', 'b', 'c'])).toEqual(values);
  });

  it('calls the loader not at all when nothing is missing', async () => {
    await cache.setMany([
      ['a', 'set a'],
      ['b', null],
    ]);
    const load = loadMany();

    expect(await cache.getOrSetMany(['a', 'b'], load as never)).toEqual(
      new Map([
        ['a', 'set a'],
        ['b', null],
      ]),
    );
    expect(await cache.getOrSetMany([], load)).toEqual(new Map());
    expect(load).not.toHaveBeenCalled();
  });

  it('leaves out what the loader leaves out, and asks for it again the next time', async () => {
    const load = jest.fn<LoadMany>(async () => new Map([['a', 'loaded a']]));

    expect(await cache.getOrSetMany(['a', 'b'], load)).toEqual(new Map([['a', 'loaded a']]));
    expect(await cache.getOrSetMany(['a', 'b'], load)).toEqual(new Map([['a', 'loaded a']]));
    expect(load.mock.calls).toEqual([[['a', 'b']], [['b']]]);
  });

  it('finds the values under keys that are lists, too, whichever list the loader returns', async () => {
    const keys = [
      ['user', 1],
      ['user', 2],
    ] as const;
    const load = async (missing: CacheKey[]): Promise<Map<CacheKey, string>> =>
      new Map(missing.map((key) => [[...key] as CacheKey, String(key)]));

    const values = await cache.getOrSetMany<CacheKey, string>(keys, load);

    expect([...values]).toEqual([
      [keys[0], 'user,1'],
      [keys[1], 'user,2'],
    ]);
  });

  it('ignores what the loader returns beside', async () => {
    await cache.getOrSetMany(
      ['a'],
      () =>
        new Map([
          ['a', 1],
          ['b', 2],
        ]),
    );

    expect(await cache.has('b')).toBe(false);
  });

  it('shares what others are loading, and leaves them what it loads itself', async () => {
    const held = heldLoad<Map<string, string>>();
    const single = heldLoad<string>();
    const first = cache.getOrSetMany(['a', 'b'], held.load);
    await held.begun;
    const one = cache.getOrSet('c', single.load);
    await single.begun;
    const load = loadMany();
    const second = cache.getOrSetMany(['b', 'c', 'd'], load);
    const joined = cache.getOrSet('a', () => 'not called');
    await turn();
    held.finish(
      new Map([
        ['a', 'first a'],
        ['b', 'first b'],
      ]),
    );
    single.finish('one c');

    expect(await first).toEqual(
      new Map([
        ['a', 'first a'],
        ['b', 'first b'],
      ]),
    );
    expect(await second).toEqual(
      new Map([
        ['b', 'first b'],
        ['c', 'one c'],
        ['d', 'loaded d'],
      ]),
    );
    expect([await one, await joined]).toEqual(['one c', 'first a']);
    expect(load.mock.calls).toEqual([[['d']]]);
  });

  it('does not wait for the loads of others before it begins its own', async () => {
    const single = heldLoad<string>();
    const one = cache.getOrSet('a', single.load);
    await single.begun;
    const load = loadMany();
    const many = cache.getOrSetMany(['a', 'b'], load);
    await turn();

    expect(load.mock.calls).toEqual([[['b']]]);
    single.finish('one a');
    await Promise.all([one, many]);
  });

  it('loads itself what others have failed to load', async () => {
    const single = heldLoad<string>();
    const there = openCache(new StagedDriver(store), { local: false }).cache;
    const one = there.getOrSet('a', single.load);
    const outcome = expect(one).rejects.toThrow('database away');
    await single.begun;
    const load = loadMany();
    const many = cache.getOrSetMany(['a', 'b'], load);
    await turn();
    single.fail(new Error('database away'));
    await outcome;

    expect(await many).toEqual(
      new Map([
        ['a', 'loaded a'],
        ['b', 'loaded b'],
      ]),
    );
    expect(load.mock.calls).toEqual([[['b']], [['a']]]);
  });

  it('throws what the loader throws, and frees the keys', async () => {
    await cache.set('a', 'set a');
    await expect(cache.getOrSetMany(['a', 'b', 'c'], failing)).rejects.toThrow('database away');

    expect(await cache.getOrSet('b', () => 'loaded')).toBe('loaded');
  });

  it('serves earlier values where there are any when the loader fails', async () => {
    await cache.setMany(
      [
        ['a', 'old a'],
        ['b', 'old b'],
      ],
      { grace: '1h' },
    );
    await cache.expire('a', 'b');

    expect(await cache.getOrSetMany(['a', 'b'], failing)).toEqual(
      new Map([
        ['a', 'old a'],
        ['b', 'old b'],
      ]),
    );
  });

  it('refuses a value that cannot be cached, and stores the others', async () => {
    const load = (): Map<string, unknown> =>
      new Map<string, unknown>([
        ['a', 1],
        ['b', () => 1],
      ]);

    await expect(cache.getOrSetMany(['a', 'b'], load)).rejects.toThrow('The value at $ is a function');
    expect(await cache.get('a')).toBe(1);
  });

  it('takes the options of an entry', async () => {
    await cache.getOrSetMany(['a'], loadMany(), { tags: ['t'], grace: '1h' });
    await cache.expire('a');
    expect(await cache.getOrSetMany(['a'], failing)).toEqual(new Map([['a', 'loaded a']]));
    await cache.invalidateTags('t');
    await expect(cache.getOrSetMany(['a'], failing)).rejects.toThrow('database away');
  });

  it('keeps many callers with overlapping keys to one load of each', async () => {
    const loaded: string[] = [];
    const load = async (missing: string[]): Promise<Map<string, string>> => {
      loaded.push(...missing);
      await turn();
      return new Map(missing.map((key) => [key, key]));
    };
    const keys = Array.from({ length: 20 }, (_, index) => `${index}`);
    const calls = keys.map((_, from) => cache.getOrSetMany([...keys.slice(from), ...keys.slice(0, from)], load));

    for (const values of await Promise.all(calls)) expect(values.size).toBe(20);
    expect(loaded.sort()).toEqual([...keys].sort());
  });
});
