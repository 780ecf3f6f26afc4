import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';
import { CacheKeyError, CacheOptionsError, CacheValueError } from './cache.errors.js';
import { resolveCacheOptions, type CacheEntryOptions, type CacheModuleOptions } from './cache.options.js';
import { CacheService } from './cache.service.js';
import type { CacheRead } from './drivers/cache-driver.js';
import { MemoryCacheDriver } from './drivers/memory.driver.js';

interface User {
  id: number;
  name: string;
  tags: string[];
}

const ada = (): User => ({ id: 1, name: 'Ada', tags: ['first'] });

let now: number;
let driver: MemoryCacheDriver;
let cache: CacheService;

beforeEach(() => {
  now = 0;
  driver = new MemoryCacheDriver(() => now);
  cache = cacheOn(driver);
});

function cacheOn(store: MemoryCacheDriver, options: CacheModuleOptions = {}): CacheService {
  return new CacheService(store, resolveCacheOptions(options), 'app:cache:');
}

/** A load that has begun and ends when the test says so. */
interface HeldLoad<T> {
  readonly result: Promise<T>;
  finish(value: T): void;
  fail(error: Error): void;
}

async function beginLoad<T>(key: string, options?: CacheEntryOptions): Promise<HeldLoad<T>> {
  let held: Omit<HeldLoad<T>, 'result'> | undefined;
  let begun: (() => void) | undefined;
  const beginning = new Promise<void>((resolve) => (begun = resolve));
  const load = (): Promise<T> =>
    new Promise((finish, fail) => {
      held = { finish, fail };
      begun!();
    });
  const result = cache.getOrSet(key, load, options);
  await beginning;
  return { result, ...held! };
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
  });

  it('gives back what was set, under the same key in either form', async () => {
    await cache.set('user:1', ada());

    expect(await cache.get<User>(['user', 1])).toEqual(ada());
    expect(await cache.has('user:1')).toBe(true);
    expect(cache.peek<User>('user:1')).toEqual(ada());
    expect(await cache.getOrSet('user:1', neverLoads)).toEqual(ada());
  });

  it.each([[null], [0], [''], [false], [Number.NaN], [[]], [{}], [0n]])(
    'keeps %p, which is a value like any other',
    async (value) => {
      const load = jest.fn(() => value);

      expect(await cache.getOrSet('loaded', load)).toEqual(value);
      expect(await cache.getOrSet('loaded', load)).toEqual(value);
      await cache.set('set', value);

      expect(load).toHaveBeenCalledTimes(1);
      expect(await cache.get('set')).toEqual(value);
      expect(await cache.has('set')).toBe(true);
      expect(cache.peek('loaded')).toEqual(value);
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

  it('keeps a value for five minutes, for the TTL of the module, or for that of the entry', async () => {
    cache = cacheOn(driver, { ttl: '1m' });
    await cacheOn(driver).set('default', 1);
    await cache.set('module', 1);
    await cache.set('entry', 1, { ttl: '10s' });
    await cache.getOrSet('loaded', () => 1, { ttl: '20s' });
    const left = async (): Promise<boolean[]> =>
      Promise.all(['default', 'module', 'loaded', 'entry'].map((key) => cache.has(key)));

    now = 9_999;
    expect(await left()).toEqual([true, true, true, true]);
    now = 10_000;
    expect(await left()).toEqual([true, true, true, false]);
    now = 20_000;
    expect(await left()).toEqual([true, true, false, false]);
    now = 60_000;
    expect(await left()).toEqual([true, false, false, false]);
    now = 300_000;
    expect(await left()).toEqual([false, false, false, false]);
  });

  it('tells the loader the key as Redis knows it', async () => {
    expect(await cache.getOrSet(['search', 'a b'], ({ key }) => key)).toBe('app:cache:default:search:a%20b');
  });

  it('deletes many keys at once, and counts those that were there', async () => {
    await cache.set('a', 1);
    await cache.set('b', 2);

    expect(await cache.delete('a', ['b'], 'c')).toBe(2);
    expect(await cache.get('a')).toBeUndefined();
    expect(await cache.delete()).toBe(0);
  });

  it('keeps keys of different segments apart', async () => {
    await cache.set(['a', 'b:c'], 'escaped');
    await cache.set(['a', 'b', 'c'], 'separated');

    expect(await cache.get(['a', 'b:c'])).toBe('escaped');
    expect(await cache.get('a:b:c')).toBe('separated');
  });

  it('refuses wrong keys and wrong options with a rejection, and without a load', async () => {
    const wrongKey = 7 as unknown as string;
    const wrongOptions = { ttl: 60 } as unknown as CacheEntryOptions;

    await expect(cache.get(wrongKey)).rejects.toThrow(CacheKeyError);
    await expect(cache.getOrSet(wrongKey, neverLoads)).rejects.toThrow(CacheKeyError);
    await expect(cache.delete('fine', wrongKey)).rejects.toThrow(CacheKeyError);
    await expect(cache.getOrSet('user:1', neverLoads, wrongOptions)).rejects.toThrow(CacheOptionsError);
    await expect(cache.set('user:1', 1, wrongOptions)).rejects.toThrow("options.ttl is 60. Write the unit: '60ms'.");
  });
});

describe('A cached value', () => {
  it('comes back equal and of the same types', async () => {
    const value = {
      at: new Date(0),
      big: 1n,
      map: new Map([['a', new Set([1])]]),
      bytes: Buffer.from('hi'),
      none: [undefined],
    };

    expect(await cache.getOrSet('loaded', () => value)).toStrictEqual(value);
    await cache.set('set', value);

    expect(await cache.get('set')).toStrictEqual(value);
    expect(cache.peek('loaded')).toStrictEqual(value);
  });

  it('is never the same object: not for the loader, not for who joined, not for who hit', async () => {
    const original = ada();
    const load = await beginLoad<User>('user:1');
    const joined = cache.getOrSet<User>('user:1', neverLoads);
    load.finish(original);

    const values = [
      original,
      await load.result,
      await joined,
      await cache.getOrSet('user:1', neverLoads),
      await cache.get('user:1'),
      cache.peek('user:1'),
    ];

    expect(new Set(values).size).toBe(values.length);
    for (const value of values) expect(value).toStrictEqual(ada());
  });

  it('does not change when the caller changes what it got', async () => {
    const first = await cache.getOrSet('user:1', ada);
    first.tags.push('changed');
    first.name = 'Eve';

    expect(await cache.get('user:1')).toEqual(ada());
  });

  it('does not change when the caller changes what it has set', async () => {
    const user = ada();
    await cache.set('user:1', user);
    user.name = 'Eve';

    expect(await cache.get('user:1')).toEqual(ada());
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
    cache = cacheOn(driver, { codec });

    await cache.set('key', 'value');

    expect(driver.peek('app:cache:default:key')).toBe('VALUE');
    expect(await cache.get('key')).toBe('decoded VALUE');
  });
});

describe('A text that the codec has not written', () => {
  beforeEach(async () => {
    await driver.set('app:cache:default:user:1', 'not JSON', 60_000);
  });

  it('is no value', async () => {
    expect(await cache.get('user:1')).toBeUndefined();
    expect(cache.peek('user:1')).toBeUndefined();
  });

  it('makes way for what is loaded', async () => {
    const load = jest.fn(async () => ada());

    const users = await Promise.all(Array.from({ length: 100 }, () => cache.getOrSet('user:1', load)));

    expect(users).toEqual(Array.from({ length: 100 }, ada));
    expect(load).toHaveBeenCalledTimes(1);
    expect(await cache.get('user:1')).toEqual(ada());
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

  it('whose key is deleted meanwhile is not stored, and who asks later does not get it', async () => {
    const stale = await beginLoad<string>('user:1');

    expect(await cache.delete('user:1')).toBe(1);
    const later = await beginLoad<string>('user:1');
    stale.finish('stale');

    expect(await stale.result).toBe('stale');
    expect(await cache.get('user:1')).toBeUndefined();
    later.finish('fresh');
    expect(await later.result).toBe('fresh');
    expect(await cache.get('user:1')).toBe('fresh');
  });

  it('whose key is deleted meanwhile is not stored either when nobody asks in between', async () => {
    const stale = await beginLoad<string>('user:1');

    await cache.delete('user:1');
    stale.finish('stale');
    await stale.result;

    expect(await cache.get('user:1')).toBeUndefined();
    expect(await cache.getOrSet('user:1', () => 'fresh')).toBe('fresh');
  });

  it('that ends after a newer one does not replace its result', async () => {
    const stale = await beginLoad<string>('user:1');
    await cache.delete('user:1');
    await cache.getOrSet('user:1', () => 'fresh');

    stale.finish('stale');
    await stale.result;

    expect(await cache.get('user:1')).toBe('fresh');
  });

  it('whose key is set meanwhile does not replace what was set', async () => {
    const stale = await beginLoad<string>('user:1');

    await cache.set('user:1', 'set');

    expect(await cache.getOrSet('user:1', neverLoads)).toBe('set');
    stale.finish('stale');
    expect(await stale.result).toBe('stale');
    expect(await cache.get('user:1')).toBe('set');
  });

  it('that is on its way in another process is not waited for, and its result is the one that is stored', async () => {
    const there = cacheOn(driver);
    const here = await beginLoad<string>('user:1');

    expect(await there.getOrSet('user:1', () => 'loaded there')).toBe('loaded there');
    expect(await there.get('user:1')).toBeUndefined();
    here.finish('loaded here');
    await here.result;

    expect(await there.get('user:1')).toBe('loaded here');
  });

  it('of before a deletion in another process is not stored', async () => {
    const stale = await beginLoad<string>('user:1');

    await cacheOn(driver).delete('user:1');
    stale.finish('stale');
    await stale.result;

    expect(await cache.get('user:1')).toBeUndefined();
  });

  it('that takes longer than 30 seconds keeps its result to its callers', async () => {
    const slow = await beginLoad<string>('user:1');

    now = 30_000;
    slow.finish('late');

    expect(await slow.result).toBe('late');
    expect(await cache.get('user:1')).toBeUndefined();
  });
});

describe('While a deletion or a set is on its way', () => {
  const NAME = 'app:cache:default:user:1';

  /** Lets the next such operation of the store wait until the returned function is called. */
  function hold(operation: 'delete' | 'set'): () => void {
    let release: (() => void) | undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const perform = driver[operation].bind(driver) as (...args: unknown[]) => Promise<never>;
    jest.spyOn(driver, operation).mockImplementationOnce(async (...args: unknown[]) => {
      await released;
      return perform(...args);
    });
    return release!;
  }

  it.each([
    ['deletion', 'delete', () => cache.delete('user:1')],
    ['set', 'set', () => cache.set('user:1', 'set')],
  ] as const)('nobody joins a load of before the %s', async (_, operation, act) => {
    const stale = await beginLoad<string>('user:1');
    const release = hold(operation);

    const acting = act();
    const later = cache.getOrSet('user:1', () => 'fresh');
    stale.finish('stale');

    expect(await later).toBe('fresh');
    release();
    await acting;
    expect(await cache.get('user:1')).not.toBe('stale');
  });

  it.each([
    ['deletion', 'delete', () => cache.delete('user:1'), 'fresh'],
    ['set', 'set', () => cache.set('user:1', 'set'), 'set'],
  ] as const)('what is read then reaches nobody who asks after the %s', async (_, operation, act, expected) => {
    await driver.set(NAME, '"old"', 60_000);
    const release = hold(operation);
    const acting = act();
    let answer: ((read: CacheRead) => void) | undefined;
    jest.spyOn(driver, 'getOrLease').mockImplementationOnce(() => new Promise((resolve) => (answer = resolve)));
    const during = cache.getOrSet('user:1', neverLoads);

    release();
    await acting;
    const after = cache.getOrSet('user:1', () => 'fresh');
    answer!({ state: 'hit', value: '"old"' });

    expect(await after).toBe(expected);
    expect(await during).toBe('old');
  });
});

/** A store that is away for some or all of its operations. */
class AwayDriver extends MemoryCacheDriver {
  away = true;
  error: Error = new RedisUnreachableError('default', 'ECONNREFUSED', 'not-executed');

  override get(...args: Parameters<MemoryCacheDriver['get']>): ReturnType<MemoryCacheDriver['get']> {
    return this.#answer(() => super.get(...args));
  }

  override getOrLease(
    ...args: Parameters<MemoryCacheDriver['getOrLease']>
  ): ReturnType<MemoryCacheDriver['getOrLease']> {
    return this.#answer(() => super.getOrLease(...args));
  }

  override fill(...args: Parameters<MemoryCacheDriver['fill']>): ReturnType<MemoryCacheDriver['fill']> {
    return this.#answer(() => super.fill(...args));
  }

  override abandon(...args: Parameters<MemoryCacheDriver['abandon']>): ReturnType<MemoryCacheDriver['abandon']> {
    return this.#answer(() => super.abandon(...args));
  }

  override set(...args: Parameters<MemoryCacheDriver['set']>): ReturnType<MemoryCacheDriver['set']> {
    return this.#answer(() => super.set(...args));
  }

  override has(...args: Parameters<MemoryCacheDriver['has']>): ReturnType<MemoryCacheDriver['has']> {
    return this.#answer(() => super.has(...args));
  }

  override delete(...args: Parameters<MemoryCacheDriver['delete']>): ReturnType<MemoryCacheDriver['delete']> {
    return this.#answer(() => super.delete(...args));
  }

  async #answer<T>(operation: () => Promise<T>): Promise<T> {
    if (this.away) throw this.error;
    return operation();
  }
}

describe.each([
  ['cannot be reached', new RedisUnreachableError('default', 'ECONNREFUSED', 'not-executed')],
  ['does not answer in time', new RedisTimeoutError('default', 'get', 1_000, 'unknown')],
])('While Redis %s', (_, error) => {
  let away: AwayDriver;

  beforeEach(() => {
    away = new AwayDriver(() => now);
    away.error = error;
    cache = cacheOn(away);
  });

  it('values are loaded, and nothing is found', async () => {
    expect(await cache.getOrSet('user:1', ada)).toEqual(ada());
    expect(await cache.get('user:1')).toBeUndefined();
    expect(await cache.has('user:1')).toBe(false);
  });

  it('concurrent callers still share one load', async () => {
    const load = jest.fn(async () => ada());

    await Promise.all(Array.from({ length: 100 }, () => cache.getOrSet('user:1', load)));

    expect(load).toHaveBeenCalledTimes(1);
  });

  it('the error of a loader is still that of the loader', async () => {
    await expect(cache.getOrSet('user:1', () => Promise.reject(new RangeError('no such user')))).rejects.toThrow(
      RangeError,
    );
  });

  it('a value that was loaded reaches its caller though it cannot be stored', async () => {
    away.away = false;
    const load = await beginLoad<string>('user:1');
    away.away = true;
    load.finish('loaded');

    expect(await load.result).toBe('loaded');
  });

  it('an error of the loader reaches its caller though the lease cannot be given back', async () => {
    away.away = false;
    const load = await beginLoad<string>('user:1');
    away.away = true;
    load.fail(new RangeError('no such user'));

    await expect(load.result).rejects.toThrow(RangeError);
  });

  it('writes and deletions are not silent about it', async () => {
    await expect(cache.set('user:1', 1)).rejects.toBe(error);
    await expect(cache.delete('user:1')).rejects.toBe(error);
  });

  it('a deletion that failed still keeps later callers from the load that was under way', async () => {
    away.away = false;
    const stale = await beginLoad<string>('user:1');
    away.away = true;
    await cache.delete('user:1').catch(() => 'it may or may not have been deleted');

    const later = cache.getOrSet('user:1', () => 'fresh');
    stale.finish('stale');

    expect(await later).toBe('fresh');
  });

  it('reads throw where that was asked for, of the module or of the entry', async () => {
    const strict = cacheOn(away, { onOutage: 'throw' });

    await expect(strict.get('user:1')).rejects.toBe(error);
    await expect(strict.has('user:1')).rejects.toBe(error);
    await expect(strict.getOrSet('user:1', neverLoads)).rejects.toBe(error);
    await expect(cache.getOrSet('user:1', neverLoads, { onOutage: 'throw' })).rejects.toBe(error);
    expect(await strict.getOrSet('user:1', ada, { onOutage: 'load' })).toEqual(ada());
  });

  it('values are cached again as soon as it is back', async () => {
    await cache.getOrSet('user:1', ada);
    away.away = false;
    await cache.getOrSet('user:1', ada);

    expect(await cache.getOrSet('user:1', neverLoads)).toEqual(ada());
  });
});

describe('An error that is no outage', () => {
  it('is not taken for one', async () => {
    const away = new AwayDriver(() => now);
    away.error = new TypeError('a bug');
    cache = cacheOn(away);

    await expect(cache.get('user:1')).rejects.toThrow(new TypeError('a bug'));
    await expect(cache.getOrSet('user:1', neverLoads)).rejects.toThrow(new TypeError('a bug'));
  });
});
