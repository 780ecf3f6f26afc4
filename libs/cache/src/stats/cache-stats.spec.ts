import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { CacheEntryOptions, CacheModuleOptions } from '../cache.options.js';
import { MemoryCacheDriver } from '../drivers/memory.driver.js';
import { closeCaches, heldLoad, openCache, turn, type OpenCache } from '../fixtures/open-cache.js';
import { StagedDriver } from '../fixtures/staged-driver.js';
import { RedisUnreachableError } from '@nuthatch/redis';
import { CACHE_CHANNEL, CacheCounters, type CacheCount, type CacheEvent } from './cache-stats.js';

const away = new RedisUnreachableError('default', 'ECONNREFUSED', 'not-executed');

afterEach(async () => {
  jest.restoreAllMocks();
  await closeCaches();
});

/** What has been counted, without zeroes and times. */
function counted({ cache }: OpenCache): Partial<Record<CacheCount, number>> {
  const { namespace: _n, memory: _m, coherenceLagMs: _c, journalled: _j, loadMs: _l, ...counts } = cache.stats();
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0));
}

function open(options: CacheModuleOptions = {}): OpenCache & { driver: StagedDriver } {
  const driver = new StagedDriver(new MemoryCacheDriver());
  return { ...openCache(driver, options), driver };
}

describe('The stats of a cache', () => {
  it('count a miss and its load, and then hits in process', async () => {
    const opened = open();
    const { cache } = opened;
    expect(await cache.get('a')).toBeUndefined();
    await cache.getOrSet('a', () => 1);
    await turn();
    await cache.get('a');
    await cache.getOrSet('a', () => 2);
    cache.peek('a');

    expect(counted(opened)).toEqual({ misses: 2, loads: 1, localHits: 3 });
    expect(cache.stats().loadMs).toBeGreaterThan(0);
  });

  it('count hits in Redis where there is no tier in process', async () => {
    const opened = open({ local: false });
    await opened.cache.set('a', 1);
    await opened.cache.get('a');
    await opened.cache.getOrSet('a', () => 2);
    await opened.cache.getMany(['a', 'b']);

    expect(counted(opened)).toEqual({ sets: 1, sharedHits: 3, misses: 1 });
  });

  it('count who got the load of somebody else once', async () => {
    const opened = open();
    const load = heldLoad<number>();
    const calls = [1, 2, 3].map(() => opened.cache.getOrSet('a', load.load));
    await load.begun;
    load.finish(1);
    await Promise.all(calls);

    expect(counted(opened)).toEqual({ misses: 1, coalesced: 2, loads: 1 });
  });

  it('count who waited for another process once, however often it looked', async () => {
    const store = new MemoryCacheDriver();
    const driver = new StagedDriver(store);
    const [here, there] = [openCache(driver), openCache(new StagedDriver(store))];
    const load = heldLoad<number>();
    const loading = there.cache.getOrSet('a', load.load);
    await load.begun;
    const waiting = here.cache.getOrSet('a', () => 2);
    for (let count = 0; count < 3; count++) {
      await turn();
      // Something about the key changes, but it is not the value yet.
      driver.report(['app:cache:default:a']);
    }
    expect(driver.count('read')).toBeGreaterThan(2);
    load.finish(1);
    await Promise.all([loading, waiting]);

    expect(counted(here)).toEqual({ coalesced: 1, sharedHits: 1 });
  });

  it.each<[string, CacheEntryOptions]>([
    ['failed', {}],
    ['was too slow', { softTimeout: '0ms' }],
  ])('count a value that is served stale once, because its loader %s', async (why, options) => {
    const opened = open({ grace: '1h' });
    await opened.cache.set('a', 'old');
    await opened.cache.expire('a');
    const load = heldLoad<string>();
    const call = opened.cache.getOrSet('a', load.load, options);
    await load.begun;
    if (why === 'failed') load.fail(new Error('database away'));

    expect(await call).toBe('old');
    load.finish('new');
    await turn();
    const loads = why === 'failed' ? { loadErrors: 1 } : { loads: 1 };
    expect(counted(opened)).toEqual({ sets: 1, invalidations: 1, misses: 1, staleServes: 1, ...loads });
  });

  it('count a value that is served in an outage once, and the outage', async () => {
    const opened = open({ grace: '1h' });
    await opened.cache.set('a', 'old');
    await turn();
    opened.core.local!.trusted = false;
    opened.driver.goAway(away);
    await opened.cache.get('a');
    expect(counted(opened)).toEqual({ sets: 1, outages: 1, staleServes: 1 });

    await opened.cache.getOrSet('a', () => 'new');
    expect(counted(opened)).toEqual({ sets: 1, outages: 2, staleServes: 2 });
  });

  it('count loads that fail, and no value that is refused as one', async () => {
    const opened = open();
    const fail = (): never => {
      throw new Error('database away');
    };
    await opened.cache.getOrSet('a', fail).catch(() => 'told');
    await opened.cache.getOrSet<unknown>('b', () => Symbol('none')).catch(() => 'told');

    expect(counted(opened)).toEqual({ misses: 2, loads: 1, loadErrors: 1 });
  });

  it('count invalidations by what was named', async () => {
    const opened = open();
    await opened.cache.delete('a', 'b');
    await opened.cache.expire('c');
    await opened.cache.invalidateTags('t', 'u', 't');
    await opened.cache.invalidatePattern('a*');

    expect(counted(opened)).toEqual({ invalidations: 6 });
  });

  it('count a refresh in the background', async () => {
    const opened = open({ refreshAhead: 0 });
    await opened.cache.set('a', 1);
    await turn();
    await opened.cache.getOrSet('a', () => 2);
    await turn();

    expect(counted(opened)).toEqual({ sets: 1, localHits: 1, loads: 1, refreshes: 1 });
  });

  it('count what cannot be read', async () => {
    const codec = { name: 'odd', encode: (value: unknown) => String(value), decode: () => undefined };
    const store = new MemoryCacheDriver();
    const writer = openCache(store, { codec: { ...codec, decode: (text: string) => text }, local: false });
    await writer.cache.set('a', 1);
    const reader = openCache(store, { codec, local: false });
    expect(await reader.cache.get('a')).toBeUndefined();

    expect(counted(reader)).toEqual({ misses: 1, unreadable: 1 });
  });

  it('are kept for each namespace, and tell of the memory of all', async () => {
    const { cache } = open({ local: { maxEntries: 2 } });
    const users = cache.namespace('users');
    for (const key of ['a', 'b', 'c']) await users.set(key, key);

    expect(cache.stats()).toMatchObject({ namespace: 'default', sets: 0 });
    expect(users.stats()).toMatchObject({ namespace: 'users', sets: 3 });
    expect(cache.namespace('users').stats().sets).toBe(3);
    expect(cache.stats().memory).toEqual({ entries: 2, bytes: expect.any(Number), evictions: 1 });
    expect(cache.stats().memory.bytes).toBeGreaterThan(800);
  });

  it('tell how many writes wait for Redis', async () => {
    const opened = open();
    opened.driver.goAway(away);
    await opened.cache.set('a', 1);
    await opened.cache.delete('b', 'c');

    expect(opened.cache.stats().journalled).toBe(3);
  });

  it('tell how long the last write took to be reported, and nothing of writes that failed', async () => {
    const opened = open();
    expect(opened.cache.stats().coherenceLagMs).toBeUndefined();
    await opened.cache.set('a', 1);
    expect(opened.cache.stats().coherenceLagMs).toBeGreaterThanOrEqual(0);

    opened.core.coherenceLagMs = undefined;
    opened.driver.fail('set', away);
    for (let count = 0; count < 200; count++) await opened.cache.set(`${count}`, 1);
    opened.driver.recover();
    opened.driver.report(['app:cache:default:0']);
    expect(opened.cache.stats().coherenceLagMs).toBeUndefined();
    await opened.cache.set('b', 1);
    expect(opened.cache.stats().coherenceLagMs).toBeGreaterThanOrEqual(0);
  });
});

describe('What a cache publishes', () => {
  it('is each count, with the cache and the namespace that it is of', () => {
    const events: CacheEvent[] = [];
    const listen = (event: unknown): number => events.push(event as CacheEvent);
    const counters = new CacheCounters('app:cache:', 'users');
    counters.localHit();
    subscribe(CACHE_CHANNEL, listen);
    counters.localHit();
    counters.add('localHits');
    counters.add('loadMs', 7);
    unsubscribe(CACHE_CHANNEL, listen);
    counters.add('misses');

    const rest = { root: 'app:cache:', namespace: 'users' };
    expect(events).toEqual([
      { type: 'localHits', ...rest, by: 1 },
      { type: 'localHits', ...rest, by: 1 },
      { type: 'loadMs', ...rest, by: 7 },
    ]);
    expect(counters.counts).toMatchObject({ localHits: 3, loadMs: 7, misses: 1, sets: 0 });
  });
});
