import { setTimeout as sleep } from 'node:timers/promises';
import type { CacheEntryOptions } from '@nuthatch/cache';
import type { RedisConnectionOptions } from '@nuthatch/redis';
import { eventually, startProxy, startStandalone, type RedisServer, type TcpProxy } from '../../harness/index.js';
import { CacheProcess, closeProcesses } from './cache-process.js';

const PATIENT = { redisTimeout: '2s' } as const;
const HOUR_MS = 3_600_000;

let server: RedisServer;
let proxy: TcpProxy;
/** Its lines go through the proxy. */
let cut: CacheProcess;
/** The same, with a breaker that does not open: each of its calls finds out anew that Redis does not answer. */
let patient: CacheProcess;
let other: CacheProcess;

const median = (times: number[]): number => [...times].sort((left, right) => left - right)[times.length >> 1]!;

beforeAll(async () => {
  server = await startStandalone();
  proxy = await startProxy(server);
  const proxied: RedisConnectionOptions = { mode: 'standalone', url: `redis://${proxy.host}:${proxy.port}` };
  [cut, patient, other] = await Promise.all([
    CacheProcess.start(proxied),
    CacheProcess.start({ ...proxied, breaker: { failures: 1_000_000 } }),
    CacheProcess.start({ mode: 'standalone', url: server.url }, PATIENT),
  ]);
});
afterAll(async () => {
  await closeProcesses();
  await proxy.stop();
  await server.stop();
});

async function untilUp(): Promise<void> {
  await eventually('all are back', async () => {
    const states = await Promise.all([cut, patient, other].map(({ cache }) => cache.state()));
    return states.every((state) => state === 'ready');
  });
  await eventually('Redis has been told of all', async () => {
    const stats = await Promise.all([cut, patient, other].map(({ cache }) => cache.stats()));
    return stats.every(({ journalled }) => journalled === 0);
  });
}

const faults: [string, () => unknown, () => unknown][] = [
  ['is stopped', () => server.pause(), () => server.resume()],
  ['is a black hole', () => proxy.blackhole(), () => proxy.heal()],
  ['is killed', () => server.kill(), () => server.restart()],
  ['cannot be connected to', () => proxy.cut(), () => proxy.heal()],
];

describe.each(faults)('while Redis %s', (_, begin, end) => {
  beforeEach(async () => {
    await untilUp();
    await begin();
  });
  afterEach(async () => {
    await end();
    await untilUp();
  });

  it('no call takes much longer than without a cache', async () => {
    const tagged: CacheEntryOptions = { tags: ['outage'] };
    const took: Record<string, number[]> = {
      getOrSet: await patient.cache.timings(5, 'getOrSet', 'x', { value: 1 }),
      'getOrSet tagged': await patient.cache.timings(5, 'getOrSet', 'y', { value: 1 }, tagged),
      get: await patient.cache.timings(5, 'get', 'x'),
      set: await patient.cache.timings(5, 'set', 'x', 1),
      'set tagged': await patient.cache.timings(5, 'set', 'y', 1, tagged),
      delete: await patient.cache.timings(5, 'delete', 'x'),
      expire: await patient.cache.timings(5, 'expire', 'x'),
      has: await patient.cache.timings(5, 'has', 'x'),
      invalidateTags: await patient.cache.timings(5, 'invalidateTags', 'x'),
      invalidatePattern: await patient.cache.timings(5, 'invalidatePattern', 'x'),
      refresh: await patient.cache.timings(5, 'refresh', 'x', { value: 1 }),
    };

    for (const times of Object.values(took)) {
      expect(median(times)).toBeLessThan(60);
      // One that a busy machine has kept waiting is still far from the second that a command may take.
      expect(Math.max(...times)).toBeLessThan(600);
    }
  });

  it('calls are as quick as without a cache once the breaker is open', async () => {
    await cut.cache.timings(20, 'getOrSet', 'opens', { value: 1 });
    const took = {
      getOrSet: await cut.cache.timings(1_000, 'getOrSet', 'x', { value: 1 }),
      get: await cut.cache.timings(1_000, 'get', 'x'),
      set: await cut.cache.timings(1_000, 'set', 'x', 1),
      delete: await cut.cache.timings(1_000, 'delete', 'x'),
      invalidateTags: await cut.cache.timings(1_000, 'invalidateTags', 'x'),
    };

    for (const times of Object.values(took)) expect(median(times)).toBeLessThan(1);
  });
});

describe('after Redis was away for one process', () => {
  const both = (read: (one: CacheProcess) => Promise<unknown>): Promise<unknown[]> =>
    Promise.all([cut, other].map(read));
  /** Ends the lines of one process, and waits until it knows. */
  const goAway = async (): Promise<void> => {
    await untilUp();
    proxy.cut();
    await eventually('it knows', async () => (await cut.cache.state()) === 'down');
  };
  const comeBack = async (): Promise<void> => {
    proxy.heal();
    await untilUp();
  };
  /** Everything that one process is served for these keys until it is told to stop. */
  const watch = (keys: string[]): (() => Promise<Set<string>>) => {
    const seen = new Set<string>();
    let looking = true;
    const looks = (async () => {
      while (looking) for (const key of keys) seen.add(`${key}: ${String(await cut.cache.get(key))}`);
    })();
    return () => {
      looking = false;
      return looks.then(() => seen);
    };
  };
  const kept: CacheEntryOptions = { ttl: '1h', grace: '1h' };

  afterEach(comeBack);

  it('what it has written and invalidated counts for all, and before it reads anything itself', async () => {
    const keys = ['deleted', 'expired', 'tagged', 'matching-1', 'set', 'set and deleted', 'deleted and set'];
    for (const key of keys) await other.cache.set(key, 'old', { ...kept, ...(key === 'tagged' && { tags: ['away'] }) });
    await both(({ cache }) => cache.warm(...keys));
    await goAway();

    await cut.cache.delete('deleted', 'set and deleted');
    await cut.cache.expire('expired');
    await cut.cache.invalidateTags('away');
    await cut.cache.invalidatePattern('matching-*');
    await cut.cache.set('set', 'new', kept);
    await cut.cache.set('never there', 'new', kept);
    await cut.cache.set('set and deleted', 'new', kept);
    await cut.cache.delete('set and deleted');
    await cut.cache.delete('deleted and set');
    await cut.cache.set('deleted and set', 'new', kept);
    const stop = watch(keys);
    await comeBack();
    await sleep(50);
    const seen = await stop();

    expect([...seen].filter((line) => line.endsWith('old'))).toEqual([]);
    for (const key of ['deleted', 'expired', 'tagged', 'matching-1', 'never there', 'set and deleted']) {
      expect([key, await both(({ cache }) => cache.get(key))]).toEqual([key, [undefined, undefined]]);
    }
    for (const key of ['set', 'deleted and set']) {
      expect([key, await both(({ cache }) => cache.get(key))]).toEqual([key, ['new', 'new']]);
    }
  });

  it('a value that it has set meanwhile undoes nothing that others have done since', async () => {
    const keys = ['other-deleted', 'other-set', 'other-expired', 'other-tagged', 'other-loaded', 'other-matched'];
    for (const key of keys) await other.cache.set(key, 'old', { ...kept, tags: [key] });
    await both(({ cache }) => cache.warm(...keys));
    await goAway();
    for (const key of keys) await cut.cache.set(key, 'replayed', { ...kept, tags: [key] });

    await other.cache.delete('other-deleted', 'other-loaded');
    await other.cache.set('other-set', 'newer', kept);
    await other.cache.expire('other-expired');
    await other.cache.invalidateTags('other-tagged');
    await other.cache.invalidatePattern('other-matched*');
    await other.cache.getOrSet('other-loaded', { value: 'loaded' }, kept);
    await comeBack();

    const found = await Promise.all(keys.map(async (key) => [key, await both(({ cache }) => cache.get(key))]));
    expect(Object.fromEntries(found)).toEqual({
      'other-deleted': [undefined, undefined],
      'other-set': ['newer', 'newer'],
      'other-expired': [undefined, undefined],
      'other-tagged': [undefined, undefined],
      'other-loaded': ['loaded', 'loaded'],
      'other-matched': [undefined, undefined],
    });
  });

  it('a load of another process that began before it set a value meanwhile is not stored', async () => {
    await goAway();
    const load = other.load('overtaken', kept);
    await load.begun;
    await cut.cache.set('overtaken', 'replayed', kept);
    await comeBack();
    load.finish('old');
    await load.result;

    expect(await both(({ cache }) => cache.get('overtaken'))).toEqual([undefined, undefined]);
  });

  it.each(['delete', 'set', 'expire', 'invalidateTags', 'invalidatePattern'] as const)(
    'a load of its own loses against %s all the same, while it lasts and afterwards',
    async (how) => {
      const key = `away-${how}`;
      await goAway();
      const early = cut.load(key, { tags: ['own'] });
      await early.begun;

      if (how === 'set') await cut.cache.set(key, 'new');
      else await cut.cache[how](how === 'invalidateTags' ? 'own' : how === 'invalidatePattern' ? `${key}*` : key);
      const during = await Promise.race([
        cut.cache.getOrSet(key, { value: 'new' }, { tags: ['own'] }),
        sleep(1_000, 'joined'),
      ]);
      early.finish('old');
      await early.result;
      const after = await cut.cache.getOrSet(key, { value: 'new' }, { tags: ['own'] });
      await comeBack();

      expect([during, after]).toEqual(['new', 'new']);
      expect(['new', undefined]).toContain(await cut.cache.get(key));
      expect(['new', undefined]).toContain(await other.cache.get(key));
    },
  );

  it('whose clock is an hour off and that has not seen Redis yet, nothing that it sets undoes what others set later', async () => {
    await other.cache.set('off', 'old', kept);
    proxy.cut();
    const ahead = await CacheProcess.start(
      { mode: 'standalone', url: `redis://${proxy.host}:${proxy.port}` },
      { clockShiftMs: HOUR_MS, waits: false },
    );
    await ahead.cache.set('off', 'replayed', kept);
    await other.cache.set('off', 'newer', kept);
    proxy.heal();
    await eventually('Redis has been told', async () => (await ahead.cache.stats()).journalled === 0);

    expect(['newer', undefined]).toContain(await other.cache.get('off'));
    expect(await ahead.cache.get('off')).toBe(await other.cache.get('off'));
    await ahead.close();
  });
});

describe('when Redis falls silent', () => {
  afterEach(async () => {
    server.resume();
    proxy.heal();
    await untilUp();
  });

  it('during a load, the caller gets its result all the same, and soon', async () => {
    await untilUp();
    const load = patient.load('in time');
    await load.begun;
    server.pause();

    const finishedAt = performance.now();
    load.finish('value');

    expect(await load.result).toBe('value');
    expect(performance.now() - finishedAt).toBeLessThan(250);
  });

  it('during a call, whatever reply is lost, nothing that was told is lost', async () => {
    const kept: CacheEntryOptions = { ttl: '1h', grace: '1h' };
    for (let lost = 1; lost <= 8; lost++) {
      await untilUp();
      const [deleted, expired, tagged, set, loaded] = ['deleted', 'expired', 'tagged', 'set', 'loaded'].map(
        (name) => `${name}-${lost}`,
      ) as [string, string, string, string, string];
      for (const key of [deleted, expired, set]) await other.cache.set(key, 'old', kept);
      await other.cache.set(tagged, 'old', { ...kept, tags: [tagged] });
      await patient.cache.warm(deleted, expired, set, tagged);
      proxy.dropReply(lost);

      const calls = [
        patient.cache.delete(deleted),
        patient.cache.expire(expired),
        patient.cache.invalidateTags(tagged),
        patient.cache.set(set, 'new', kept),
        patient.cache.getOrSet(loaded, { value: 'loaded' }, kept),
      ];

      expect((await Promise.all(calls)).at(-1)).toBe('loaded');
      expect(await patient.cache.get(set)).not.toBe('old');
      await untilUp();
      for (const { cache } of [patient, other]) {
        for (const key of [deleted, expired, tagged, set])
          expect([key, await cache.get(key)]).not.toEqual([key, 'old']);
        expect(await cache.getOrSet(loaded, { value: 'again' }, kept)).toMatch(/^(loaded|again)$/);
      }
      expect(await other.cache.get(loaded)).toBe(await patient.cache.get(loaded));
    }
  });
});

describe('what a process has noted while Redis was away', () => {
  it('is told also when nobody calls that process any more', async () => {
    await untilUp();
    await other.cache.set('forgotten', 'old', { ttl: '1h' });
    await Promise.all([cut, other].map(({ cache }) => cache.warm('forgotten')));
    server.pause();
    await cut.cache.timings(20, 'get', 'opens the breaker');
    // Not even sent.
    await cut.cache.delete('forgotten');
    server.resume();

    await eventually('nobody has it', async () => (await other.cache.get('forgotten')) === undefined, 3_000);
  });
});

describe('an application that closes while Redis hangs', () => {
  it('ends by itself', async () => {
    await untilUp();
    const leaving = await CacheProcess.start({ mode: 'standalone', url: server.url });
    server.pause();
    await leaving.cache.delete('something');

    await leaving.close();

    server.resume();
  });
});
