import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';
import type { CacheService } from './cache.service.js';
import { MemoryCacheDriver } from './drivers/memory.driver.js';
import { closeCaches, heldLoad, openCache, turn, type OpenCache } from './fixtures/open-cache.js';
import { StagedDriver } from './fixtures/staged-driver.js';

const away = new RedisUnreachableError('default', 'ECONNREFUSED', 'not-executed');
const timeout = new RedisTimeoutError('default', 'get', 45, 'unknown');
const reply = (message: string): Error => Object.assign(new Error(message), { name: 'ReplyError' });
const full = reply("OOM command not allowed when used memory > 'maxmemory'.");

interface Process extends OpenCache {
  readonly driver: StagedDriver;
}

let store: MemoryCacheDriver;
let here: Process;
let there: Process;

function start(): Process {
  const driver = new StagedDriver(store);
  return { ...openCache(driver), driver };
}

beforeEach(async () => {
  jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
  store = new MemoryCacheDriver();
  here = start();
  there = start();
  await turn();
});
afterEach(async () => {
  jest.restoreAllMocks();
  await closeCaches();
});

const fails = (): never => {
  throw new Error('database away');
};

const invalidations: Record<string, (cache: CacheService) => Promise<unknown>> = {
  delete: (cache) => cache.delete('user:1'),
  expire: (cache) => cache.expire('user:1'),
  invalidateTags: (cache) => cache.invalidateTags('t'),
  invalidatePattern: (cache) => cache.invalidatePattern('user:*'),
  clear: (cache) => cache.clear(),
};

describe('An invalidation that Redis cannot be told of', () => {
  it.each(Object.keys(invalidations))('wins over a load that began before it, in the outage, too: %s', async (how) => {
    here.driver.goAway(away);
    const load = heldLoad<string>();
    const before = here.cache.getOrSet('user:1', load.load, { tags: ['t'] });
    await load.begun;
    await invalidations[how]!(here.cache);
    const later = here.cache.getOrSet('user:1', () => 'fresh', { tags: ['t'] });
    load.finish('stale');

    expect(await before).toBe('stale');
    expect(await later).toBe('fresh');
    await turn();
    expect([undefined, 'fresh']).toContain(await here.cache.get('user:1'));
    here.driver.recover();
    expect(await here.cache.getOrSet('user:1', () => 'fresh')).toBe('fresh');
    expect(await there.cache.getOrSet('user:1', () => 'fresh')).toBe('fresh');
  });

  it.each(Object.keys(invalidations))('wins over a read that is under way: %s', async (how) => {
    await there.cache.set('user:1', 'stale', { tags: ['t'] });
    await turn();
    const read = here.driver.holdReply('read');
    const before = here.cache.get('user:1');
    await read.reached;
    here.driver.goAway(timeout);
    await invalidations[how]!(here.cache);
    here.driver.recover();
    read.release();
    await before;

    expect(here.cache.peek('user:1')).toBeUndefined();
    expect(await here.cache.get('user:1')).toBeUndefined();
    expect(await there.cache.get('user:1')).toBeUndefined();
  });

  it.each(Object.keys(invalidations))('wins over a load that was stored before the outage: %s', async (how) => {
    const load = heldLoad<string>();
    const before = here.cache.getOrSet('user:1', load.load, { tags: ['t'] });
    await load.begun;
    here.driver.goAway(away);
    await invalidations[how]!(here.cache);
    here.driver.recover();
    load.finish('stale');

    expect(await before).toBe('stale');
    expect(await here.cache.get('user:1')).toBeUndefined();
    expect(await there.cache.get('user:1')).toBeUndefined();
  });

  it.each(Object.keys(invalidations))(
    'is made up for when the connection is up again, without anybody asking: %s',
    async (how) => {
      await there.cache.set('user:1', 'old', { tags: ['t'] });
      here.driver.goAway(away);
      await invalidations[how]!(here.cache);
      expect(await there.cache.get('user:1')).toBe('old');
      here.driver.recover();
      here.emit('up');
      await turn();

      expect(await there.cache.get('user:1')).toBeUndefined();
      expect(here.cache.stats().journalled).toBe(0);
    },
  );

  it.each(Object.keys(invalidations))('is made up for at the latest when the application ends: %s', async (how) => {
    await there.cache.set('user:1', 'old', { tags: ['t'] });
    here.driver.goAway(away);
    await invalidations[how]!(here.cache);
    here.driver.recover();
    await here.core.beforeApplicationShutdown();
    await turn();

    expect(await there.cache.get('user:1')).toBeUndefined();
  });

  it('keeps what it cannot be told of from being read, whoever asks', async () => {
    await there.cache.set('user:1', 'old');
    here.driver.fail('delete', timeout);
    await here.cache.delete('user:1');

    expect(await here.cache.get('user:1')).toBeUndefined();
    expect(await here.cache.has('user:1')).toBe(false);
    expect(await here.cache.getMany(['user:1'])).toEqual(new Map());
    expect(await here.cache.getOrSet('user:1', () => 'fresh')).toBe('fresh');
    expect(await here.cache.getOrSetMany(['user:1'], () => new Map([['user:1', 'loaded']]))).toEqual(
      new Map([['user:1', 'fresh']]),
    );
  });

  it('brings nothing back to life that another process has deleted meanwhile', async () => {
    await there.cache.set('user:1', 'old');
    here.driver.goAway(away);
    await here.cache.set('user:1', 'set in the outage');
    await there.cache.delete('user:1');
    here.driver.recover();
    here.emit('up');
    await turn();

    expect(await there.cache.get('user:1')).toBeUndefined();
  });
});

describe('A set whose reply is lost', () => {
  it('leaves nothing of before to readers that were under way', async () => {
    await there.cache.set('user:1', 'old');
    await turn();
    here.driver.fail('set', timeout);
    const read = here.driver.holdReply('read');
    const before = here.cache.get('user:1');
    await read.reached;
    await here.cache.set('user:1', 'new');
    read.release();
    await before;

    expect([undefined, 'new']).toContain(here.cache.peek('user:1'));
    here.driver.recover();
    expect(await here.cache.get('user:1')).not.toBe('old');
  });
});

describe('A server that is full', () => {
  beforeEach(() => {
    for (const operation of ['set', 'fill', 'refill', 'lease', 'leaseRefresh', 'expire', 'invalidateTags'] as const) {
      here.driver.fail(operation, full);
      there.driver.fail(operation, full);
    }
  });

  it('has values loaded, and shared by the callers of a moment', async () => {
    const load = jest.fn(async () => 'loaded');

    expect(await Promise.all([1, 2, 3].map(() => here.cache.getOrSet('user:1', load)))).toEqual(
      Array(3).fill('loaded'),
    );
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('does not keep what is deleted elsewhere from being gone here', async () => {
    await here.cache.getOrSet('user:1', () => 'old');
    await here.cache.set('user:2', 'old');
    await turn();
    await there.cache.delete('user:1', 'user:2');
    await turn();

    expect(await here.cache.get('user:1')).toBeUndefined();
    expect(await here.cache.getOrSet('user:1', () => 'fresh')).toBe('fresh');
    expect(await here.cache.getOrSet('user:2', () => 'fresh')).toBe('fresh');
  });

  it('takes no value, but lets go of the old one: a set is no error', async () => {
    here.driver.recover();
    await here.cache.set('user:1', 'old');
    here.driver.fail('set', full);
    await here.cache.set('user:1', 'new');
    await turn();

    expect(await there.cache.get('user:1')).toBeUndefined();
    expect(await here.cache.get('user:1')).not.toBe('old');
    expect(here.cache.stats().journalled).toBe(0);
  });

  it.each(['invalidateTags', 'expire'])('still invalidates: %s', async (how) => {
    here.driver.recover();
    await here.cache.set('user:1', 'old', { tags: ['t'], grace: '1h' });
    await turn();
    here.driver.fail('invalidateTags', full);
    here.driver.fail('expire', full);
    await invalidations[how]!(here.cache);
    await turn();

    for (const { cache } of [here, there]) expect(await cache.get('user:1')).toBeUndefined();
    expect(await here.cache.getOrSet('user:1', () => 'fresh')).toBe('fresh');
    expect(here.cache.stats().journalled).toBe(0);
  });

  it('still serves an earlier value when its loader fails, within its grace', async () => {
    here.driver.recover();
    await here.cache.set('user:1', 'old', { grace: '1h' });
    await here.cache.expire('user:1');
    here.driver.fail('leaseRefresh', full);

    expect(await here.cache.getOrSet('user:1', fails)).toBe('old');
    expect(await here.cache.getOrSet('user:1', () => 'new')).toBe('new');
  });

  it('is reported once', async () => {
    await here.cache.set('user:1', 1);
    await here.cache.set('user:2', 1);
    await here.cache.getOrSet('user:3', () => 1);

    expect(Logger.prototype.warn).toHaveBeenCalledTimes(1);
  });
});

describe('An outage that begins after an earlier value was read', () => {
  it('has that served when its loader fails', async () => {
    await here.cache.set('user:1', 'old', { grace: '1h' });
    await here.cache.expire('user:1');
    here.driver.fail('leaseRefresh', away);

    expect(await here.cache.getOrSet('user:1', fails)).toBe('old');
  });
});

describe('A process that is far behind', () => {
  it('waits for no longer than a call may take while it tells what it has noted', async () => {
    here.driver.fail('delete', timeout);
    await here.cache.delete('user:1');
    here.driver.recover();
    const hold = here.driver.holdBefore('delete');
    const began = performance.now();

    expect(await here.cache.getOrSet('user:1', () => 'loaded')).toBe('loaded');
    expect(performance.now() - began).toBeLessThan(200);
    hold.release();
    await turn();
    expect(await here.cache.getOrSet('user:1', () => 'again')).toBe('again');
    expect(await here.cache.get('user:1')).toBe('again');
  });
});

describe('What was kept for an outage', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['loaded', () => here.cache.getOrSet('user:1', () => 'old')],
    ['set', () => here.cache.set('user:1', 'old')],
  ])('and was %s in it is not served in the next one: nobody would have told of its deletion', async (_, keep) => {
    here.driver.goAway(timeout);
    await keep();
    expect(await here.cache.get('user:1')).toBe('old');
    here.driver.recover();
    await here.cache.get('another key');
    await there.cache.delete('user:1');
    here.driver.goAway(timeout);

    expect(await here.cache.get('user:1')).toBeUndefined();
    expect(await here.cache.getOrSet('user:1', () => 'fresh')).toBe('fresh');
  });

  it('is nothing that was seen to be gone', async () => {
    const alone = new StagedDriver(store);
    const { cache } = openCache(alone, { coherence: 'off', ttl: '1ms', jitter: 0, grace: '1h' });
    await cache.set('user:1', 'old');
    await there.cache.delete('user:1');
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await cache.get('user:1')).toBeUndefined();
    alone.goAway(away);

    expect(await cache.get('user:1')).toBeUndefined();
  });
});
