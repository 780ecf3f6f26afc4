import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { CacheKeyError, CacheLoadTimeoutError, CacheOptionsError } from '../cache.errors.js';
import type { CacheService } from '../cache.service.js';
import type { EntryHeader } from '../drivers/entry-text.js';
import { MemoryCacheDriver } from '../drivers/memory.driver.js';
import { closeCaches, openCache, turn } from '../fixtures/open-cache.js';
import type { LoadContext } from './load-context.js';

let store: MemoryCacheDriver;
let cache: CacheService;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  store = new MemoryCacheDriver();
  cache = openCache(store, { ttl: '100s', jitter: 0 }).cache;
});
afterEach(async () => {
  jest.useRealTimers();
  await closeCaches();
});

async function headerOf(key: string): Promise<EntryHeader | undefined> {
  return (await store.headers([`app:cache:default:${key}`]))[0];
}

const fails = (): never => {
  throw new Error('database away');
};

describe('A loader', () => {
  it('knows its key and that there is no earlier value', async () => {
    const load = jest.fn<(context: LoadContext<number>) => number>(() => 1);
    await cache.getOrSet('a', load);

    const context = load.mock.calls[0]![0];
    expect(context.key).toBe('app:cache:default:a');
    expect(context.stale).toBeUndefined();
    expect(context.signal.aborted).toBe(false);
  });

  it('says how long its value is fresh', async () => {
    await cache.getOrSet('a', (context) => (context.ttl('10s'), 1));
    expect((await headerOf('a'))?.ttlMs).toBe(10_000);
    jest.advanceTimersByTime(9_999);
    expect(await cache.get('a')).toBe(1);
    jest.advanceTimersByTime(1);
    expect(await cache.get('a')).toBeUndefined();
  });

  it('says so with a unit, or is refused', async () => {
    const wrong = (context: LoadContext<number>): number => (context.ttl(10 as never), 1);

    await expect(cache.getOrSet('a', wrong)).rejects.toThrow(CacheOptionsError);
    await expect(cache.getOrSet('a', wrong)).rejects.toThrow("context.ttl() is 10. Write the unit: '10ms'.");
  });

  it('adds tags to those of the entry, and each of them invalidates it', async () => {
    for (const tag of ['of the entry', 'one', 'two']) {
      await cache.getOrSet('a', (context) => (context.tag('one', 'two'), context.tag('one'), 1), {
        tags: ['of the entry'],
      });
      expect((await headerOf('a'))?.tags).toEqual(['of the entry', 'one', 'two']);
      await cache.invalidateTags(tag);
      expect(await cache.get('a')).toBeUndefined();
    }
  });

  it('is refused a tag that cannot be one', async () => {
    await expect(cache.getOrSet('a', (context) => (context.tag('fine', ''), 1))).rejects.toThrow(CacheKeyError);
  });

  it('keeps nobody from the value when it is not to be stored', async () => {
    const value = await cache.getOrSet('a', (context) => (context.noStore(), 1));

    expect(value).toBe(1);
    expect(await cache.has('a')).toBe(false);
    expect(await cache.getOrSet('a', () => 2)).toBe(2);
  });

  it('ends without a value when it says so', async () => {
    const after = jest.fn();
    const load = (context: LoadContext<number>): number => {
      context.skip();
      after();
      return 1;
    };

    expect(await cache.getOrSet('a', load)).toBeUndefined();
    expect(after).not.toHaveBeenCalled();
    expect(await cache.has('a')).toBe(false);
    expect(cache.stats().loadErrors).toBe(0);
    expect(await cache.getOrSet('a', () => 2)).toBe(2);
  });

  it('that ends without a value leaves the earlier one to the callers, within its grace', async () => {
    await cache.set('a', 'old', { grace: '1h' });
    await cache.expire('a');

    expect(await cache.getOrSet('a', (context) => context.skip())).toBe('old');
    expect(await cache.getOrSet('a', () => undefined)).toBeUndefined();
  });

  it('is given the earlier value, and when it was stored', async () => {
    const storedAt = store.now();
    await cache.set('a', { n: 1 }, { grace: '1h', ttl: '10s' });
    jest.advanceTimersByTime(10_000);
    await turn();
    const load = jest.fn<(context: LoadContext<{ n: number }>) => { n: number }>(() => ({ n: 2 }));
    await cache.getOrSet('a', load);

    expect(load.mock.calls[0]![0].stale).toEqual({ value: { n: 1 }, storedAt: new Date(storedAt) });
  });

  it('cannot change the earlier value for those who read it', async () => {
    cache = openCache(store, { refreshAhead: 0 }).cache;
    await cache.set('a', new Map([['a', 1]]));
    await turn();
    const load = jest.fn((context: LoadContext<Map<string, number>>) => {
      context.stale!.value.set('b', 2);
      return context.skip();
    });
    await cache.getOrSet('a', load);
    await turn();

    expect(load).toHaveBeenCalled();
    expect(await cache.get('a')).toEqual(new Map([['a', 1]]));
  });

  it('says that the earlier value is good for another time', async () => {
    await cache.set('a', new Map([['a', 1]]), { grace: '1h', ttl: '10s' });
    jest.advanceTimersByTime(10_000);
    await turn();

    expect(await cache.getOrSet('a', (context) => context.notModified())).toEqual(new Map([['a', 1]]));
    await turn();
    jest.advanceTimersByTime(99_000);
    expect(await cache.get('a')).toEqual(new Map([['a', 1]]));
  });

  it('cannot say so when there is none', async () => {
    const act = cache.getOrSet('a', (context) => context.notModified());

    await expect(act).rejects.toThrow(CacheOptionsError);
    await expect(act).rejects.toThrow('which has no earlier value. Look at context.stale first');
  });
});

describe('A loader that takes too long', () => {
  it('is told to stop, and its callers that it was late', async () => {
    let signal!: AbortSignal;
    const load = (context: LoadContext<number>): Promise<number> => {
      signal = context.signal;
      return new Promise(() => undefined);
    };
    const calls = [1, 2].map(() => cache.getOrSet('a', load, { hardTimeout: '2s' }));
    const outcomes = Promise.allSettled(calls);
    await turn();
    await jest.advanceTimersByTimeAsync(1_999);
    expect(signal.aborted).toBe(false);
    await jest.advanceTimersByTimeAsync(1);

    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({
        reason: {
          code: 'CACHE_LOAD_TIMEOUT',
          key: 'app:cache:default:a',
          timeoutMs: 2_000,
          message: expect.stringContaining('did not finish within 2000ms'),
        },
      });
    }
    expect(signal.reason).toBeInstanceOf(CacheLoadTimeoutError);
    expect(await cache.getOrSet('a', () => 2)).toBe(2);
  });

  it('leaves the earlier value to its callers, within its grace', async () => {
    await cache.set('a', 'old', { grace: '1h' });
    await cache.expire('a');
    const call = cache.getOrSet('a', () => new Promise(() => undefined), { hardTimeout: '2s' });
    await turn();
    await jest.advanceTimersByTimeAsync(2_000);

    expect(await call).toBe('old');
  });

  it('stores nothing when it comes to its end after all', async () => {
    let finish!: (value: string) => void;
    const call = cache.getOrSet('a', () => new Promise<string>((resolve) => (finish = resolve)), { hardTimeout: '2s' });
    const outcome = expect(call).rejects.toThrow(CacheLoadTimeoutError);
    await turn();
    await jest.advanceTimersByTimeAsync(2_000);
    await outcome;
    finish('late');
    await turn();

    expect(await cache.get('a')).toBeUndefined();
  });

  it('may be given a month', async () => {
    const call = cache.getOrSet('a', () => new Promise((resolve) => setTimeout(resolve, 5_000, 1)), {
      hardTimeout: '30d',
    });
    await turn();
    await jest.advanceTimersByTimeAsync(5_000);

    expect(await call).toBe(1);
  });

  it('is told to stop when the application ends', async () => {
    const opened = openCache(store);
    let signal!: AbortSignal;
    const call = opened.cache.getOrSet('a', (context) => {
      signal = context.signal;
      return new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(new Error('stopped'))));
    });
    await turn();
    const outcome = expect(call).rejects.toThrow('stopped');
    await opened.core.beforeApplicationShutdown();
    await outcome;

    expect(signal.reason).toEqual(new Error('The application shuts down.'));
  });

  it('does not keep the application from ending for longer than two seconds', async () => {
    const opened = openCache(store);
    void opened.cache.getOrSet('a', () => new Promise(() => undefined));
    await turn();
    let ended = false;
    const end = opened.core.beforeApplicationShutdown().then(() => (ended = true));
    await jest.advanceTimersByTimeAsync(1_999);
    expect(ended).toBe(false);
    await jest.advanceTimersByTimeAsync(1);
    await end;
  });
});

describe('What is stored of a value', () => {
  it('is how long it took to load', async () => {
    const call = cache.getOrSet('a', () => new Promise((resolve) => setTimeout(resolve, 700, 1)));
    await turn();
    await jest.advanceTimersByTimeAsync(700);
    await call;

    expect((await headerOf('a'))?.loadMs).toBe(700);
    await cache.set('b', 1);
    expect((await headerOf('b'))?.loadMs).toBe(0);
  });

  it('is a shorter time for "there is none"', async () => {
    const options = { negativeTtl: '10s' } as const;
    await cache.getOrSet('none', () => null, options);
    await cache.set('none set', null, options);
    await cache.getOrSet('some', () => 0, options);
    await cache.getOrSet('adapted', (context) => (context.ttl('50s'), null), options);

    const ttls = await Promise.all(
      ['none', 'none%20set', 'some', 'adapted'].map(async (key) => (await headerOf(key))?.ttlMs),
    );
    expect(ttls).toEqual([10_000, 10_000, 100_000, 50_000]);
  });

  it('is a time that is shortened at random, by no more than its jitter', async () => {
    const random = jest.spyOn(Math, 'random');
    const ttlWith = async (luck: number, jitter?: number): Promise<number | undefined> => {
      random.mockReturnValue(luck);
      await openCache(store, { ttl: '100s' }).cache.set('a', 1, jitter === undefined ? {} : { jitter });
      return (await headerOf('a'))?.ttlMs;
    };

    expect(await ttlWith(0)).toBe(100_000);
    expect(await ttlWith(0.999_999)).toBe(90_000);
    expect(await ttlWith(0.5, 0.2)).toBe(90_000);
    expect(await ttlWith(0.5, 0)).toBe(100_000);
    expect(await ttlWith(0.999_999_999, 1)).toBe(1);
    random.mockRestore();
  });

  it('is its grace, in full', async () => {
    await cache.set('a', 1, { grace: '1h' });
    expect(await headerOf('a')).toMatchObject({ ttlMs: 100_000, graceMs: 3_600_000 });
    await cache.set('b', 1, { grace: '0ms' });
    expect(await headerOf('b')).toMatchObject({ graceMs: 0 });
  });

  it('is unlike any other, also for the same value at the same time', async () => {
    const versions = new Set<string>();
    for (let count = 0; count < 50; count++) {
      await cache.set('a', 1);
      versions.add((await headerOf('a'))!.version);
    }
    await openCache(store).cache.set('a', 1);
    versions.add((await headerOf('a'))!.version);

    expect(versions.size).toBe(51);
  });
});

describe('A value whose loader fails', () => {
  it('is served for its grace, and then no longer', async () => {
    await cache.set('a', 'old', { ttl: '10s', grace: '20s' });
    jest.advanceTimersByTime(29_999);
    await turn();
    expect(await cache.getOrSet('a', fails)).toBe('old');
    await turn();
    jest.advanceTimersByTime(1);

    await expect(cache.getOrSet('a', fails)).rejects.toThrow('database away');
  });
});
