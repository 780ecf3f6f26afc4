import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createJsonCodec, jsonType, RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';
import { CacheKeyError, CacheOptionsError, CacheValueError } from './cache.errors.js';
import type { CacheEntryOptions } from './cache.options.js';
import type { CacheService } from './cache.service.js';
import { MemoryCacheDriver } from './drivers/memory.driver.js';
import { closeCaches, heldLoad, openCache, turn, type HeldLoad } from './fixtures/open-cache.js';
import { StagedDriver } from './fixtures/staged-driver.js';

interface User {
  id: number;
  name: string;
  tags: string[];
}

const ada = (): User => ({ id: 1, name: 'Ada', tags: ['first'] });

let store: MemoryCacheDriver;
let driver: StagedDriver;
let cache: CacheService;

beforeEach(() => {
  store = new MemoryCacheDriver();
  driver = new StagedDriver(store);
  cache = openCache(driver).cache;
});
afterEach(async () => {
  jest.useRealTimers();
  await closeCaches();
});

/** A load of the cache that has begun. */
async function beginLoad<T>(key: string, options?: CacheEntryOptions): Promise<HeldLoad<T> & { result: Promise<T> }> {
  const held = heldLoad<T>();
  const result = cache.getOrSet(key, held.load, options);
  await held.begun;
  return { ...held, result };
}

const neverLoads = (): never => {
  throw new Error('The loader was called.');
};

describe('The cache', () => {
  it('finds nothing under a key that was never set', async () => {
    expect(await cache.get('user:1')).toBeUndefined();
    expect(await cache.has('user:1')).toBe(false);
    expect(cache.peek('user:1')).toBeUndefined();
    expect(await cache.delete('user:1')).toBe(0);
    expect(await cache.expire('user:1')).toBe(0);
  });

  it('gives back what was set, under the same key in either form', async () => {
    await cache.set('user:1', ada());

    expect(await cache.get<User>(['user', 1])).toEqual(ada());
    expect(await cache.has('user:1')).toBe(true);
    expect(cache.peek<User>('user:1')).toEqual(ada());
    expect(await cache.getOrSet('user:1', neverLoads)).toEqual(ada());
  });

  it.each([[null], [0], [''], [false], [Number.NaN], [[]], [{}], [0n]])(
    'keeps %p, which is a value like any other, in process and in Redis',
    async (value) => {
      for (const local of [undefined, false] as const) {
        cache = openCache(new MemoryCacheDriver(), local === undefined ? {} : { local }).cache;
        const load = jest.fn(() => value);
        expect(await cache.getOrSet('loaded', load)).toEqual(value);
        expect(await cache.getOrSet('loaded', load)).toEqual(value);
        await cache.set('set', value);

        expect(load).toHaveBeenCalledTimes(1);
        expect(await cache.get('set')).toEqual(value);
        expect(await cache.has('set')).toBe(true);
        expect(await cache.getMany(['set'])).toEqual(new Map([['set', value]]));
        expect(cache.peek('loaded')).toEqual(local === undefined ? value : undefined);
      }
    },
  );

  it('never keeps undefined: it is loaded each time', async () => {
    const load = jest.fn(() => undefined);

    expect(await cache.getOrSet('user:1', load)).toBeUndefined();
    expect(await cache.getOrSet('user:1', load)).toBeUndefined();

    expect(load).toHaveBeenCalledTimes(2);
    expect(await cache.has('user:1')).toBe(false);
    expect(await cache.delete('user:1')).toBe(0);
  });

  it('refuses to set undefined, and says what to do instead', async () => {
    const act = cache.set('user:1', undefined);

    await expect(act).rejects.toThrow(CacheValueError);
    await expect(act).rejects.toThrow(
      'undefined cannot be cached under "app:cache:default:user:1". Cache null for "there is none", or delete the key.',
    );
  });

  it.each([{}, { local: false as const }])(
    'keeps a value for five minutes, for the TTL of the module, or for that of the entry: %p',
    async (options) => {
      jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
      store = new MemoryCacheDriver();
      cache = openCache(store, { ttl: '1m', jitter: 0, ...options }).cache;
      const other = openCache(store, { jitter: 0, ...options }).cache;
      await other.set('default', 1);
      await cache.set('module', 1);
      await cache.set('entry', 1, { ttl: '10s' });
      await cache.getOrSet('loaded', () => 1, { ttl: '20s' });
      const left = async (): Promise<boolean[]> =>
        Promise.all(
          ['default', 'module', 'loaded', 'entry'].map(async (key) => {
            const found = (await cache.get(key)) !== undefined;
            expect(await cache.has(key)).toBe(found);
            return found;
          }),
        );
      const elapseTo = async (ms: number): Promise<void> => {
        await turn();
        jest.advanceTimersByTime(ms - performance.now());
      };

      await elapseTo(9_999);
      expect(await left()).toEqual([true, true, true, true]);
      await elapseTo(10_000);
      expect(await left()).toEqual([true, true, true, false]);
      await elapseTo(20_000);
      expect(await left()).toEqual([true, true, false, false]);
      await elapseTo(60_000);
      expect(await left()).toEqual([true, false, false, false]);
      await elapseTo(300_000);
      expect(await left()).toEqual([false, false, false, false]);
    },
  );

  it('tells the loader the key as Redis knows it', async () => {
    expect(await cache.getOrSet(['search', 'a b'], ({ key }) => key)).toBe('app:cache:default:search:a%20b');
  });

  it('deletes many keys at once, and counts those that were there', async () => {
    await cache.set('a', 1);
    await cache.set('b', 2);

    expect(await cache.delete('a', ['b'], 'a', 'c')).toBe(2);
    expect(await cache.get('a')).toBeUndefined();
    expect(await cache.delete()).toBe(0);
  });

  it('expires keys: they are loaded anew, and serve within their grace when that fails', async () => {
    await cache.set('with', 'old', { grace: '1h' });
    await cache.set('without', 'old');

    expect(await cache.expire('with', 'without', 'absent')).toBe(2);
    expect(await cache.get('with')).toBeUndefined();
    expect(cache.peek('with')).toBeUndefined();
    expect(await cache.has('with')).toBe(false);
    expect(await cache.getOrSet('with', neverLoads)).toBe('old');
    await expect(cache.getOrSet('without', neverLoads)).rejects.toThrow('The loader was called.');
    expect(await cache.getOrSet('with', () => 'new')).toBe('new');
  });

  it('keeps keys of different segments apart, in process, too', async () => {
    await cache.set(['a', 'b:c'], 'escaped');
    await cache.set(['a', 'b', 'c'], 'separated');
    await cache.set('a:b%3Ac', 'written');

    for (const look of [(key: string | string[]) => cache.get(key), (key: string | string[]) => cache.peek(key)]) {
      expect(await look(['a', 'b:c'])).toBe('escaped');
      expect(await look('a:b:c')).toBe('separated');
      expect(await look('a:b%3Ac')).toBe('written');
    }
    expect(await cache.delete(['a', 'b:c'])).toBe(1);
    expect(cache.peek('a:b%3Ac')).toBe('written');
    expect(cache.peek(['a', 'b:c'])).toBeUndefined();
  });

  it('never takes a key as it is written for one that is escaped like it', async () => {
    await cache.set(['a:b'], 'escaped');

    expect(cache.peek('a%3Ab')).toBeUndefined();
    expect(await cache.get('a%3Ab')).toBeUndefined();
    expect(await cache.has('a%3Ab')).toBe(false);
    expect(await cache.getOrSet('a%3Ab', () => 'other')).toBe('other');
    expect(cache.peek(['a:b'])).toBe('escaped');
  });

  it('holds keys that need escaping in process like all others', async () => {
    await cache.set('name of the user', 1);
    await turn();
    const asked = driver.calls.length;

    expect(cache.peek('name of the user')).toBe(1);
    expect(await cache.get(['name of the user'])).toBe(1);
    expect(await cache.getOrSet('name of the user', neverLoads)).toBe(1);
    expect(driver.calls.length).toBe(asked);
  });

  it('serves what it holds in process without asking Redis', async () => {
    await cache.getOrSet('a', () => 1, { tags: ['t'] });
    await turn();
    const asked = driver.calls.length;

    expect(await cache.get('a')).toBe(1);
    expect(await cache.getOrSet('a', neverLoads)).toBe(1);
    expect(await cache.has('a')).toBe(true);
    expect(cache.peek('a')).toBe(1);
    expect(await cache.getMany(['a'])).toEqual(new Map([['a', 1]]));
    expect(driver.calls.length).toBe(asked);
  });

  it('keeps the keys of a namespace apart, and takes over the options of the one that it was made by', async () => {
    const users = cache.namespace('users', { ttl: '10s', tags: ['all'] });
    const archive = users.namespace('archive', { grace: '1h' });
    await cache.set('1', 'mine');
    await users.set('1', 'of users');
    await archive.set('1', 'of the archive');

    expect([await cache.get('1'), await users.get('1'), await archive.get('1')]).toEqual([
      'mine',
      'of users',
      'of the archive',
    ]);
    await cache.invalidateTags('all');
    expect([await cache.get('1'), await users.get('1'), await archive.get('1')]).toEqual([
      'mine',
      undefined,
      undefined,
    ]);
    expect(archive.stats().namespace).toBe('users.archive');
  });

  it('clears a namespace with those within it, and nothing else', async () => {
    const users = cache.namespace('users');
    for (const each of [cache, users, users.namespace('archive'), cache.namespace('users2')]) await each.set('a', 1);

    await users.clear();

    expect(await users.get('a')).toBeUndefined();
    expect(await users.namespace('archive').get('a')).toBeUndefined();
    expect(await cache.namespace('users2').get('a')).toBe(1);
    expect(await cache.get('a')).toBe(1);
  });

  it('removes what matches a pattern, tells how far it is, and stops when it is told to', async () => {
    for (const key of ['user:1', 'user:2', 'item:1']) await cache.set(key, key);
    const onProgress = jest.fn();
    const stopped = new AbortController();
    stopped.abort(new Error('enough'));

    await expect(cache.invalidatePattern('user:*', { signal: stopped.signal })).rejects.toThrow('enough');
    expect(await cache.get('user:1')).toBe('user:1');
    expect(await cache.invalidatePattern('user:*', { onProgress })).toBe(2);
    expect(onProgress).toHaveBeenCalledWith(2);
    expect(await cache.getMany(['user:1', 'user:2', 'item:1'])).toEqual(new Map([['item:1', 'item:1']]));
  });
});

describe('A cached value', () => {
  it.each([{}, { local: false as const }])('comes back equal and of the same types: %p', async (options) => {
    class Money {
      constructor(readonly cents: bigint) {}
    }
    const money = jsonType({
      name: 'money',
      class: Money,
      encode: ({ cents }) => ({ cents }),
      decode: ({ cents }) => new Money(cents),
    });
    cache = openCache(driver, { codec: createJsonCodec({ types: [money] }), ...options }).cache;
    const value = {
      at: new Date(0),
      big: 1n,
      map: new Map([['a', new Set([1])]]),
      bytes: Buffer.from('hi'),
      none: [undefined],
      money: new Money(1n),
    };

    expect(await cache.getOrSet('loaded', () => value)).toStrictEqual(value);
    await cache.set('set', value);

    expect(await cache.get('set')).toStrictEqual(value);
    expect(await cache.get('loaded')).toStrictEqual(value);
    expect(await cache.getOrSetMany(['set'], neverLoads)).toStrictEqual(new Map([['set', value]]));
  });

  it('is frozen, and shared by all who get it', async () => {
    const original = ada();
    const load = await beginLoad<User>('user:1');
    const joined = cache.getOrSet<User>('user:1', neverLoads);
    load.finish(original);
    const values = [
      await load.result,
      await joined,
      await cache.getOrSet<User>('user:1', neverLoads),
      await cache.get<User>('user:1'),
      cache.peek<User>('user:1'),
    ];

    expect(new Set(values).size).toBe(1);
    expect(values[0]).toStrictEqual(ada());
    expect(() => values[0]!.tags.push('changed')).toThrow(TypeError);
    expect(() => (values[0]!.name = 'Eve')).toThrow(TypeError);
  });

  it('is not the object that the loader has returned, nor the one that was set: those stay as they are', async () => {
    const [loaded, set] = [ada(), ada()];
    await cache.getOrSet('loaded', () => loaded);
    await cache.set('set', set);
    loaded.tags.push('changed');
    set.name = 'Eve';

    expect(await cache.get('loaded')).toEqual(ada());
    expect(await cache.get('set')).toEqual(ada());
  });

  it('is copied where it cannot be frozen: nobody changes it for the others', async () => {
    const value = { map: new Map([['a', [1]]]), at: new Date(0), list: [1] };
    await cache.set('key', value);

    const [first, second] = [(await cache.get<typeof value>('key'))!, (await cache.get<typeof value>('key'))!];
    first.map.set('b', [2]);
    first.at.setTime(1);

    expect(second).toEqual(value);
    expect(await cache.get('key')).toEqual(value);
    expect(first.list).toBe(second.list);
  });

  it('is a copy that its owner may change where that is asked for', async () => {
    cache = openCache(driver, { clone: true }).cache;
    const load = await beginLoad<User>('user:1');
    const joined = cache.getOrSet<User>('user:1', neverLoads);
    load.finish(ada());
    const users = [
      await load.result,
      await joined,
      await cache.getOrSet<User>('user:1', neverLoads),
      (await cache.get<User>('user:1'))!,
      cache.peek<User>('user:1')!,
      (await cache.getMany<User>(['user:1'])).get('user:1')!,
    ];
    for (const user of users) {
      expect(user).toStrictEqual(ada());
      user.tags.push('changed');
      user.name = 'Eve';
    }

    expect(new Set(users).size).toBe(users.length);
    expect(await cache.get('user:1')).toEqual(ada());
    const shared = openCache(driver).cache;
    const owned = await shared.getOrSet('user:1', neverLoads, { clone: true });
    (owned as User).name = 'Eve';
    expect(await shared.get('user:1')).toEqual(ada());
  });

  it('that cannot be carried is refused with its path, and without what it holds', async () => {
    const value = { profile: { greet: () => 's3cret' } };
    const refusal = {
      name: 'CacheValueError',
      code: 'CACHE_VALUE',
      message:
        'The value for "app:cache:default:user:1" cannot be cached. The value at $.profile.greet is a function, which JSON cannot carry. Convert it to plain data first.',
    };

    await expect(cache.set('user:1', value)).rejects.toMatchObject(refusal);
    await expect(cache.getOrSet('user:1', () => value)).rejects.toMatchObject(refusal);
  });

  it('that cannot be carried does not keep the key from being loaded again', async () => {
    await expect(cache.getOrSet<unknown>('user:1', () => Symbol('none'))).rejects.toThrow(CacheValueError);

    expect(await cache.getOrSet('user:1', ada)).toEqual(ada());
    expect(await cache.has('user:1')).toBe(true);
  });

  it('goes through the codec of the module', async () => {
    const codec = {
      name: 'upper',
      encode: (value: unknown) => String(value).toUpperCase(),
      decode: (text: string) => `decoded ${text}`,
    };
    cache = openCache(driver, { codec }).cache;

    await cache.set('key', 'value');

    const { entries } = await store.read(['app:cache:default:key'], false);
    expect(entries[0]).toMatchObject({ state: 'value', entry: { body: 'VALUE' } });
    expect(await cache.get('key')).toBe('decoded VALUE');
  });
});

describe('A text that the codec has not written', () => {
  beforeEach(async () => {
    await cache.set('user:1', 'old');
    const { entries } = await store.read(['app:cache:default:user:1'], false);
    const { header } = (entries[0] as unknown as { entry: { header: never } }).entry;
    await store.set('app:cache:default:user:1', { body: 'not JSON', header });
    cache = openCache(driver).cache;
  });

  it('is no value', async () => {
    expect(await cache.get('user:1')).toBeUndefined();
    expect(cache.peek('user:1')).toBeUndefined();
    expect(await cache.getMany(['user:1'])).toEqual(new Map());
    expect(cache.stats().unreadable).toBeGreaterThan(0);
  });

  it('makes way for what is loaded', async () => {
    const load = jest.fn(async () => ada());

    const users = await Promise.all(Array.from({ length: 100 }, () => cache.getOrSet('user:1', load)));

    expect(users).toEqual(Array.from({ length: 100 }, ada));
    expect(load).toHaveBeenCalledTimes(1);
    expect(await cache.get('user:1')).toEqual(ada());
  });

  it('makes way for what is set, and is removed by a deletion', async () => {
    await cache.set('user:1', 'new');
    expect(await cache.get('user:1')).toBe('new');
    expect(await cache.delete('user:1')).toBe(1);
  });
});

describe('A load', () => {
  it('is shared by a hundred concurrent callers', async () => {
    const load = jest.fn(async () => ada());

    const users = await Promise.all(Array.from({ length: 100 }, () => cache.getOrSet('user:1', load)));

    expect(load).toHaveBeenCalledTimes(1);
    expect(users).toEqual(Array.from({ length: 100 }, ada));
  });

  it('is not shared across keys', async () => {
    const load = jest.fn(async ({ key }: { key: string }) => key);

    await Promise.all([cache.getOrSet('user:1', load), cache.getOrSet('user:2', load)]);

    expect(load).toHaveBeenCalledTimes(2);
  });

  it.each([
    [
      'throws',
      () => {
        throw new RangeError('no such user');
      },
    ],
    ['rejects', () => Promise.reject(new RangeError('no such user'))],
  ])('that %s is not cached, and its error reaches every caller', async (_, load: () => Promise<User>) => {
    const calls = [cache.getOrSet('user:1', load), cache.getOrSet('user:1', load)];

    for (const call of calls) await expect(call).rejects.toThrow(new RangeError('no such user'));
    expect(await cache.has('user:1')).toBe(false);
  });

  it('that fails makes way: the next load is stored', async () => {
    const load = await beginLoad('user:1');
    load.fail(new Error('database away'));
    await expect(load.result).rejects.toThrow('database away');

    await cache.getOrSet('user:1', ada);

    expect(await cache.get('user:1')).toEqual(ada());
  });

  it('may ask for its own key, by any of the ways to load', async () => {
    expect(await cache.getOrSet('a', () => cache.getOrSet('a', () => 'inner'))).toBe('inner');
    expect(await cache.refresh('b', () => cache.getOrSet('b', () => 'inner'))).toBe('inner');
    expect(await cache.refresh('a', () => cache.refresh('a', () => 'inner'))).toBe('inner');
    const many = await cache.getOrSetMany(['c'], async () =>
      cache.getOrSetMany(['c'], () => new Map([['c', 'inner']])),
    );
    expect(many).toEqual(new Map([['c', 'inner']]));
  });

  it('that asks for a key whose load asks for it does not wait for ever, however deep that goes', async () => {
    let depth = 0;
    const asksFor = (key: 'x' | 'y') => async (): Promise<string> =>
      ++depth > 6 ? 'deep' : cache.getOrSet(key, asksFor(key === 'x' ? 'y' : 'x'));

    const loaded = await Promise.all([cache.getOrSet('x', asksFor('y')), cache.getOrSet('y', asksFor('x'))]);

    expect(loaded).toEqual(['deep', 'deep']);
  });

  it('of many keys may ask for one of them', async () => {
    const load = async (missing: string[]): Promise<Map<string, string>> => {
      const inner = await cache.getOrSet('b', () => 'inner');
      return new Map(missing.map((key) => [key, `${key} with ${inner}`]));
    };

    expect(await cache.getOrSetMany(['a', 'b', 'c'], load)).toEqual(
      new Map([
        ['a', 'a with inner'],
        ['b', 'b with inner'],
        ['c', 'c with inner'],
      ]),
    );
  });
});

describe.each([
  ['cannot be reached', new RedisUnreachableError('default', 'ECONNREFUSED', 'not-executed')],
  ['does not answer in time', new RedisTimeoutError('default', 'get', 1_000, 'unknown')],
])('While Redis %s', (_, error) => {
  it('values are loaded, and nothing is found that this process does not hold', async () => {
    driver.goAway(error);

    expect(await cache.get('user:1')).toBeUndefined();
    expect(await cache.has('user:1')).toBe(false);
    expect(await cache.getOrSet('user:1', ada)).toEqual(ada());
  });

  it('what this process holds is served, for as long as its grace lasts', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    cache = openCache(driver, { grace: '10s', ttl: '10s', jitter: 0 }).cache;
    await cache.set('set', 1);
    await cache.getOrSet('loaded', () => 2);
    await turn();
    driver.goAway(error);

    for (const ms of [0, 15_000]) {
      jest.advanceTimersByTime(ms);
      expect([await cache.get('set'), await cache.get('loaded')]).toEqual([1, 2]);
      expect(await cache.getOrSet('loaded', neverLoads)).toBe(2);
      expect(await cache.has('set')).toBe(true);
    }
    jest.advanceTimersByTime(5_000);
    expect([await cache.get('set'), await cache.has('set')]).toEqual([undefined, false]);
  });

  it('what is loaded then is kept for as long as it lasts', async () => {
    driver.goAway(error);
    await cache.getOrSet('user:1', ada);

    expect(await cache.get('user:1')).toEqual(ada());
    expect(await cache.getOrSet('user:1', neverLoads)).toEqual(ada());
    expect(cache.peek('user:1')).toBeUndefined();
  });

  it('concurrent callers still share one load', async () => {
    driver.goAway(error);
    const load = jest.fn(async () => ada());

    await Promise.all(Array.from({ length: 100 }, () => cache.getOrSet('user:1', load)));

    expect(load).toHaveBeenCalledTimes(1);
  });

  it('the error of a loader is still that of the loader', async () => {
    driver.goAway(error);

    await expect(cache.getOrSet('user:1', () => Promise.reject(new RangeError('no such user')))).rejects.toThrow(
      RangeError,
    );
  });

  it('a value that was loaded reaches its caller though it cannot be stored', async () => {
    const load = await beginLoad<string>('user:1');
    driver.goAway(error);
    load.finish('loaded');

    expect(await load.result).toBe('loaded');
  });

  it('an error of the loader reaches its caller though the lease cannot be given back', async () => {
    const load = await beginLoad<string>('user:1');
    driver.goAway(error);
    load.fail(new RangeError('no such user'));

    await expect(load.result).rejects.toThrow(RangeError);
  });

  it('writes and invalidations are noted, and made up for before Redis is read again', async () => {
    await cache.set('deleted', 1);
    await cache.set('expired', 1, { grace: '1h' });
    await cache.set('tagged', 1, { tags: ['t'] });
    await cache.set('matched:1', 1);
    await cache.set('set', 1);
    await turn();
    driver.goAway(error);
    await cache.set('set', 2);
    expect(await cache.delete('deleted')).toBe(0);
    expect(await cache.expire('expired')).toBe(0);
    await cache.invalidateTags('t');
    expect(await cache.invalidatePattern('matched:*')).toBe(0);
    expect(cache.stats().journalled).toBe(5);
    driver.recover();

    const keys = ['deleted', 'expired', 'tagged', 'matched:1'];
    expect(await cache.getMany(keys)).toEqual(new Map());
    expect(cache.stats().journalled).toBe(0);
    const elsewhere = openCache(store).cache;
    expect(await elsewhere.getMany(keys)).toEqual(new Map());
    expect(await elsewhere.getOrSet('expired', neverLoads)).toBe(1);
  });

  it('what was set is what is read', async () => {
    await cache.set('user:1', 'old');
    driver.goAway(error);
    await cache.set('user:1', 'new');

    expect(await cache.get('user:1')).toBe('new');
  });

  it.each<[string, (strict: CacheService) => Promise<unknown>]>([
    ['get', (strict) => strict.get('user:1')],
    ['getMany', (strict) => strict.getMany(['user:1'])],
    ['has', (strict) => strict.has('user:1')],
    ['getOrSet', (strict) => strict.getOrSet('user:1', neverLoads)],
    ['getOrSetMany', (strict) => strict.getOrSetMany(['user:1'], neverLoads)],
  ])('%s throws where that was asked for, of the module or of the entry', async (_, act) => {
    driver.goAway(error);

    await expect(act(openCache(driver, { onOutage: 'throw' }).cache)).rejects.toBe(error);
    await expect(act(cache.namespace('strict', { onOutage: 'throw' }))).rejects.toBe(error);
  });

  it.each<[string, (strict: CacheService) => Promise<unknown>]>([
    ['set', (strict) => strict.set('user:1', 'new')],
    ['setMany', (strict) => strict.setMany([['user:1', 'new']])],
    ['delete', (strict) => strict.delete('user:1')],
    ['expire', (strict) => strict.expire('user:1')],
    ['invalidateTags', (strict) => strict.invalidateTags('t')],
    ['invalidatePattern', (strict) => strict.invalidatePattern('user:*')],
  ])('%s throws where that was asked for, and the old value is gone all the same', async (_, act) => {
    const strict = openCache(driver, { onOutage: 'throw' }).cache;
    await strict.set('user:1', 'old', { tags: ['t'] });
    await turn();
    driver.goAway(error);

    await expect(act(strict)).rejects.toBe(error);
    expect(strict.peek('user:1')).toBeUndefined();
    driver.recover();
    expect(await strict.get('user:1')).toBeUndefined();
    expect(await openCache(store).cache.get('user:1')).toBeUndefined();
  });

  it('it is the caller who says whether it throws, whoever asks at the same moment', async () => {
    driver.goAway(error);
    const strict = { onOutage: 'throw' } as const;
    const calls = await Promise.allSettled([
      cache.getOrSet('user:1', ada, strict),
      cache.getOrSet('user:1', ada),
      cache.getOrSet('user:1', ada, strict),
    ]);

    expect(calls.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected']);
  });

  it('a deletion keeps later callers from the load that was under way', async () => {
    const stale = await beginLoad<string>('user:1');
    driver.goAway(error);
    await cache.delete('user:1');

    const later = cache.getOrSet('user:1', () => 'fresh');
    stale.finish('stale');

    expect(await later).toBe('fresh');
    driver.recover();
    expect(await cache.get('user:1')).not.toBe('stale');
  });

  it('values are cached again as soon as it is back', async () => {
    driver.goAway(error);
    await cache.getOrSet('user:1', ada);
    driver.recover();
    await cache.getOrSet('user:1', ada);

    expect(await cache.getOrSet('user:1', neverLoads)).toEqual(ada());
    expect(await openCache(store).cache.get('user:1')).toEqual(ada());
  });
});

describe('An error that is no outage', () => {
  it('is not taken for one', async () => {
    driver.goAway(new TypeError('a bug'));

    await expect(cache.get('user:1')).rejects.toThrow(new TypeError('a bug'));
    await expect(cache.getOrSet('user:1', neverLoads)).rejects.toThrow(new TypeError('a bug'));
    await expect(cache.set('user:1', 1)).rejects.toThrow(new TypeError('a bug'));
    await expect(cache.delete('user:1')).rejects.toThrow(new TypeError('a bug'));
    driver.recover();
  });
});

describe('What cannot be used', () => {
  const bad = (value: unknown): never => value as never;
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;

  it.each<[string, () => unknown, string, RegExp]>([
    [
      'an unknown option',
      () => cache.set('a', 1, bad({ tll: '5m' })),
      'CACHE_OPTIONS',
      /options\.tll is not an option/,
    ],
    ['a time without a unit', () => cache.set('a', 1, bad({ ttl: 60 })), 'CACHE_OPTIONS', /Write the unit: '60ms'/],
    ['a negative jitter', () => cache.set('a', 1, { jitter: -0.1 }), 'CACHE_OPTIONS', /options\.jitter is -0\.1/],
    ['an empty tag', () => cache.set('a', 1, { tags: [''] }), 'CACHE_OPTIONS', /options\.tags\[0\] is empty/],
    [
      'a tag with control characters',
      () => cache.set('a', 1, { tags: ['a\n'] }),
      'CACHE_OPTIONS',
      /control characters/,
    ],
    ['a tag to invalidate', () => cache.invalidateTags('fine', 'a\0'), 'CACHE_KEY', /Tag 2 is .*control characters/],
    ['a key of no text', () => cache.get(bad(7)), 'CACHE_KEY', /type number/],
    ['an empty key', () => cache.get(''), 'REDIS_KEY', /Segment 1 of a key is empty/],
    ['an empty part', () => cache.get('a::b'), 'REDIS_KEY', /Segment 2 of a key is empty/],
    ['an undefined part', () => cache.get(['a', bad(undefined)]), 'REDIS_KEY', /Segment 2 of a key is undefined/],
    ['no part at all', () => cache.get([]), 'REDIS_KEY', /no segments/],
    ['a part that is no number', () => cache.get(['a', Number.NaN]), 'REDIS_KEY', /Segment 2 of a key is NaN/],
    ['a key over 1 KB', () => cache.set('x'.repeat(1_025), 1), 'REDIS_KEY', /more than 1024/],
    ['one bad key of many', () => cache.delete('fine', ''), 'REDIS_KEY', /empty/],
    ['one bad key to read of many', () => cache.getMany(['fine', '']), 'REDIS_KEY', /empty/],
    ['undefined', () => cache.set('a', undefined), 'CACHE_VALUE', /undefined cannot be cached/],
    ['a circle', () => cache.set('a', circular), 'CACHE_VALUE', /\$\.self/],
    ['a function', () => cache.set('a', { f: () => 1 }), 'CACHE_VALUE', /\$\.f is a function/],
    [
      'one bad value of many',
      () =>
        cache.setMany([
          ['fine', 1],
          ['b', undefined],
        ]),
      'CACHE_VALUE',
      /undefined/,
    ],
    ['a loaded value', () => cache.getOrSet('a', () => circular), 'CACHE_VALUE', /\$\.self/],
    ['a pattern of everything', () => cache.invalidatePattern('*'), 'CACHE_KEY', /every key of the namespace/],
    ['an empty pattern', () => cache.invalidatePattern(''), 'CACHE_KEY', /has 0 characters/],
    ['a namespace', async () => cache.namespace('a:b'), 'CACHE_OPTIONS', /The namespace "a:b" cannot be used/],
  ])('is refused with an error that says so: %s', async (_, act, code, message) => {
    await expect((async () => act())()).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    // Nothing was stored, not even what was fine.
    expect(await cache.get('fine')).toBeUndefined();
  });

  it('is refused when it is larger than a value may be', async () => {
    cache = openCache(driver, { maxValueBytes: '1KB' }).cache;
    const large = 'x'.repeat(1_025);

    await expect(cache.set('a', large)).rejects.toMatchObject({ code: 'CACHE_VALUE' });
    await expect(cache.getOrSet('a', () => large)).rejects.toMatchObject({ code: 'CACHE_VALUE' });
    expect(await cache.has('a')).toBe(false);
  });

  it('is refused without a load', async () => {
    const wrongKey = 7 as unknown as string;
    const wrongOptions = { ttl: 60 } as unknown as CacheEntryOptions;

    await expect(cache.getOrSet(wrongKey, neverLoads)).rejects.toThrow(CacheKeyError);
    await expect(cache.delete('fine', wrongKey)).rejects.toThrow(CacheKeyError);
    await expect(cache.getOrSet('user:1', neverLoads, wrongOptions)).rejects.toThrow(CacheOptionsError);
  });

  it('does not reach a prototype', async () => {
    await cache.set('a', JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'));
    const value = (await cache.get<Record<string, unknown>>('a'))!;

    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(Object.hasOwn(value, '__proto__')).toBe(true);
    await cache.set('__proto__', 1);
    await cache.set('constructor', 2);
    expect([cache.peek('__proto__'), cache.peek('constructor'), cache.peek('toString')]).toEqual([1, 2, undefined]);
  });
});
