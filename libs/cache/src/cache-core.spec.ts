import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RedisUnreachableError } from '@nuthatch/redis';
import type { CacheModuleOptions } from './cache.options.js';
import type { CacheService } from './cache.service.js';
import { MemoryCacheDriver } from './drivers/memory.driver.js';
import { closeCaches, openCache, turn, type OpenCache } from './fixtures/open-cache.js';
import { StagedDriver } from './fixtures/staged-driver.js';

const away = new RedisUnreachableError('default', 'ECONNREFUSED', 'not-executed');

interface Process extends OpenCache {
  readonly driver: StagedDriver;
}

let store: MemoryCacheDriver;
let here: Process;
let there: Process;

function start(options: CacheModuleOptions = {}, mode?: string): Process {
  const driver = new StagedDriver(store);
  return { ...openCache(driver, options, mode), driver };
}

beforeEach(async () => {
  store = new MemoryCacheDriver();
  here = start();
  there = start();
  await turn();
});
afterEach(async () => {
  jest.restoreAllMocks();
  await closeCaches();
});

describe('What a process holds', () => {
  it('is gone as soon as it is told that another has changed it', async () => {
    await here.cache.set('a', 'old');
    await turn();
    await there.cache.set('a', 'new');
    await turn();

    expect(here.cache.peek('a')).toBeUndefined();
    expect(await here.cache.get('a')).toBe('new');
    expect(here.cache.peek('a')).toBe('new');
  });

  it('is not taken for current when its key is reported a second time, though it was written here a moment ago', async () => {
    await here.cache.set('a', 'old');
    await turn();
    const comparing = here.driver.holdBefore('headers');
    await there.cache.set('a', 'new');
    await comparing.reached;

    expect(here.cache.peek('a')).toBeUndefined();
    comparing.release();

    const patient = start({}, 'standalone');
    await turn();
    await patient.cache.set('b', 'old');
    expect(patient.cache.peek('b')).toBe('old');
    await there.cache.set('b', 'new');
    expect([patient.driver.count('headers'), patient.cache.peek('b')]).toEqual([0, undefined]);
  });

  it('is gone when Redis itself has dropped it: expired, evicted, flushed', async () => {
    await here.cache.set('a', 1);
    await here.cache.set('b', 1);
    await turn();
    await store.delete(['app:cache:default:a']);
    await turn();
    expect([here.cache.peek('a'), here.cache.peek('b')]).toEqual([undefined, 1]);

    here.driver.report(null);
    expect([here.cache.peek('b'), here.core.local!.entries]).toEqual([undefined, 0]);
  });

  it('may be stale for as long as a report takes, and not longer', async () => {
    await here.cache.set('a', 'old');
    await turn();
    const release = here.driver.holdReports();
    await there.cache.delete('a');
    expect(here.cache.peek('a')).toBe('old');
    release();
    await turn();

    expect(here.cache.peek('a')).toBeUndefined();
  });

  it('is not served while the line is cut on which changes are told, and dropped before it is served again', async () => {
    await here.cache.set('a', 'old');
    await here.cache.set('b', 'old', { tags: ['t'] });
    await turn();
    here.driver.cutFeed();
    await there.cache.set('a', 'new');
    await there.cache.invalidateTags('t');

    expect([here.cache.peek('a'), here.cache.peek('b')]).toEqual([undefined, undefined]);
    expect([await here.cache.get('a'), await here.cache.get('b')]).toEqual(['new', undefined]);
    await there.cache.set('a', 'newer');
    here.driver.armFeed();
    expect([here.cache.peek('a'), here.cache.peek('b')]).toEqual([undefined, undefined]);
    expect([await here.cache.get('a'), await here.cache.get('b')]).toEqual(['newer', undefined]);
    expect(here.cache.peek('a')).toBe('newer');
  });

  it('does not come from a read of before the line was armed again', async () => {
    await there.cache.set('a', 'old');
    here.driver.cutFeed();
    const read = here.driver.holdReply('read');
    const reading = here.cache.get('a');
    await read.reached;
    await there.cache.set('a', 'new');
    here.driver.armFeed();
    read.release();

    expect(await reading).toBe('old');
    expect(here.cache.peek('a')).toBeUndefined();
    expect(await here.cache.get('a')).toBe('new');
  });

  it('does not come from a read of before everything was flushed', async () => {
    await there.cache.set('a', 'old');
    const read = here.driver.holdReply('read');
    const reading = here.cache.get('a');
    await read.reached;
    here.driver.report(null);
    read.release();
    await reading;

    expect(here.cache.peek('a')).toBeUndefined();
  });

  it('with tags is read from Redis for as long as the state of the tags is being asked for', async () => {
    await here.cache.set('a', 'old', { tags: ['t'] });
    await turn();
    expect(here.cache.peek('a')).toBe('old');
    const asking = here.driver.holdBefore('tagChanges');
    await there.cache.invalidateTags('t');
    await asking.reached;

    expect(here.cache.peek('a')).toBeUndefined();
    asking.release();
    await turn();
    expect(await here.cache.get('a')).toBeUndefined();
  });

  it('is stale after an own invalidation at no time, though that of another came before it', async () => {
    await here.cache.set('a', 'old', { tags: ['t'] });
    await turn();
    const release = here.driver.holdReports();
    await there.cache.invalidateTags('other');
    await here.cache.invalidateTags('t');
    expect(here.cache.peek('a')).toBeUndefined();
    const asking = here.driver.holdBefore('tagChanges');
    here.driver.report(null);
    release();
    await asking.reached;

    expect(here.cache.peek('a')).toBeUndefined();
    asking.release();
    await turn();
    expect(here.cache.peek('a')).toBeUndefined();
  });

  it('is trusted for its time without any reports where that was asked for, but for what this process changes', async () => {
    const alone = start({ coherence: 'off' });
    await alone.cache.set('a', 'old');
    await alone.cache.set('b', 'old');
    await there.cache.set('a', 'new');
    expect(await alone.cache.get('a')).toBe('old');
    await alone.cache.delete('b');
    expect(await alone.cache.get('b')).toBeUndefined();
  });

  it('is not served any more after the end', async () => {
    await here.cache.set('a', 1);
    await turn();
    await here.core.beforeApplicationShutdown();

    expect(here.cache.peek('a')).toBeUndefined();
    expect(await here.cache.get('a')).toBe(1);
  });
});

describe('What a process holds of a name that several caches have', () => {
  const upper = async (value: unknown): Promise<unknown> => String(value).toUpperCase();
  const others: [string, () => CacheService][] = [
    ['of another version', () => here.cache.defined('users', undefined, '2', undefined)],
    ['with a schema', () => here.cache.defined('users', undefined, '', upper)],
  ];

  it.each(others)('is not served to one %s, nor what that has put in to the others', async (_, open) => {
    const [plain, other] = [here.cache.namespace('users'), open()];
    await plain.set('a', 'ada');
    await other.set('b', 'bob');
    await turn();

    expect([plain.peek('a'), other.peek('a'), plain.peek('b')]).toEqual(['ada', undefined, undefined]);
    expect(other.peek('b')).toBe(await other.get('b'));
    for (let reads = 0; reads < 2; reads++) expect(await other.get('a')).not.toBe('ada');
    for (let reads = 0; reads < 2; reads++) expect(await plain.get('b')).not.toBe('BOB');
    expect(await plain.get('a')).toBe('ada');
  });

  it.each(others)('is held for each of them when it was read or loaded, beside one %s', async (_, open) => {
    const [plain, other] = [here.cache.namespace('users'), open()];
    await there.cache.namespace('users').set('a', 'ada');
    await plain.get('a');
    await other.getOrSet('b', () => 'bob');
    await turn();

    expect(plain.peek('a')).toBe('ada');
    expect(other.peek('b')).toBe(await other.get('b'));
  });

  it('is read and loaded for each of them when they ask in one moment', async () => {
    const [plain, other] = [here.cache.namespace('users'), here.cache.defined('users', undefined, '', upper)];
    await there.cache.namespace('users').set('a', 'ada');

    expect(await Promise.all([plain.getMany(['a']), other.get('a')])).toEqual([new Map([['a', 'ada']]), 'ADA']);
    const loads = [plain.getOrSet('b', async () => 'bob'), other.getOrSet('b', async () => 'bob')];
    expect(await Promise.all(loads)).toEqual(['bob', 'BOB']);
  });

  it.each(others)('is not left in an outage to one %s', async (_, open) => {
    await here.cache.namespace('users').set('a', 'ada', { grace: '1h' });
    await turn();
    const other = open();
    here.driver.goAway(away);

    expect(await other.get('a')).toBeUndefined();
    expect(await other.has('a')).toBe(false);
    expect(String(await other.getOrSet('a', () => 'loaded')).toLowerCase()).toBe('loaded');
  });

  it.each(others)('is gone for all of them when one removes it', async (_, open) => {
    const [plain, other] = [here.cache.namespace('users'), open()];
    await plain.set('a', 'ada');
    await turn();
    await other.delete('a');

    expect([plain.peek('a'), await plain.get('a')]).toEqual([undefined, undefined]);
  });

  it('is shared by those that would make the same of it', async () => {
    await here.cache.namespace('users').set('a', 'ada');
    await here.cache.defined('carts', undefined, '2', upper).set('a', 'ada');
    await turn();

    expect(here.cache.namespace('users', { ttl: '1m' }).peek('a')).toBe('ada');
    expect(here.cache.defined('carts', undefined, '2', upper).peek('a')).toBe('ADA');
  });
});

describe('A process without a tier in process', () => {
  it('reads everything from Redis', async () => {
    const bare = start({ local: false });
    await bare.cache.set('a', 1);
    await bare.cache.get('a');
    await bare.cache.get('a');

    expect(bare.driver.count('read')).toBe(2);
    expect(bare.cache.peek('a')).toBeUndefined();
    expect(bare.cache.stats().memory).toEqual({ entries: 0, bytes: 0, evictions: 0 });
  });

  it('asks for the state of the tags along with an entry, by one command, and follows what it is told of them', async () => {
    const bare = start({ local: false });
    await bare.cache.set('a', 1, { tags: ['t'] });
    await turn();
    const asked = bare.driver.calls.length;
    for (let count = 0; count < 3; count++) expect(await bare.cache.get('a')).toBe(1);
    expect(bare.driver.calls.slice(asked)).toEqual(['read', 'read', 'read']);

    await there.cache.invalidateTags('t');
    await turn();
    expect(await bare.cache.get('a')).toBeUndefined();
  });
});

describe('After a failover', () => {
  it('what was written or removed a moment ago is told again, and nothing of before is served from here', async () => {
    const process = start({}, 'sentinel');
    await process.cache.set('set', 'old');
    await process.cache.set('tagged', 'old', { tags: ['t'] });
    await process.cache.set('kept', 'old', { ttl: '1h' });
    await process.cache.delete('deleted');
    await process.cache.invalidateTags('t');
    await turn();
    // The new master knows nothing of the last deletions.
    await there.cache.set('deleted', 'old');
    await there.cache.set('tagged again', 'old', { tags: ['t'] });
    process.emit('failover');
    await turn();

    for (const key of ['deleted', 'tagged', 'tagged again']) {
      expect(await process.cache.get(key)).toBeUndefined();
      expect(await there.cache.get(key)).toBeUndefined();
    }
  });

  it('it is told as soon as the new master can be told', async () => {
    const process = start({}, 'cluster');
    await process.cache.delete('a');
    await there.cache.set('a', 'old');
    process.driver.goAway(away);
    process.emit('failover');
    await turn();
    expect(await process.cache.get('a')).toBeUndefined();
    process.driver.recover();

    expect(await process.cache.get('a')).toBeUndefined();
    expect(await there.cache.get('a')).toBeUndefined();
  });

  it('nothing is told again by a single server, which has lost nothing', async () => {
    await here.cache.set('a', 1);
    here.emit('failover');
    await turn();

    expect(await there.cache.get('a')).toBe(1);
  });
});

describe('Work that nobody waits for', () => {
  it('does not end the process when it fails, but says so once', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const rejected = jest.fn();
    process.on('unhandledRejection', rejected);
    here.driver.goAway(away);
    await here.cache.delete('a');
    here.driver.recover();
    here.driver.fail('delete', new Error('Connection is closed.'));
    here.emit('up');
    here.emit('up');
    await turn();
    process.off('unhandledRejection', rejected);

    expect(rejected).not.toHaveBeenCalled();
    expect(warn).toHaveBeenCalledTimes(1);
    expect(here.cache.stats().journalled).toBe(1);
    here.driver.recover();
  });

  it('leaves no unhandled rejection when reads fail that nobody has asked for in the end', async () => {
    const rejected = jest.fn();
    process.on('unhandledRejection', rejected);
    here.driver.goAway(away);
    await Promise.all([
      here.cache.getMany(['a', 'b', 'a']),
      here.cache.getOrSetMany(['a', 'b'], () => new Map([['a', 1]])),
      here.cache.getOrSet('a', () => 1),
    ]);
    await turn();
    process.off('unhandledRejection', rejected);

    expect(rejected).not.toHaveBeenCalled();
  });
});
