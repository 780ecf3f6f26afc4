import { setTimeout as sleep } from 'node:timers/promises';
import type { CacheEntryOptions } from '@nuthatch/cache';
import { eventually, startStandalone, type RedisServer } from '../harness/index.js';
import { CacheProcess, closeProcesses, type HeldLoad } from './faults/cache-process.js';
import { LineProxy } from './faults/line-proxy.js';
import { measureStaleness } from './faults/staleness.js';

// Where this machine has more to do than it can, a call would take Redis for dead, and go on without.
const PATIENT = { redisTimeout: '2s' } as const;
const ROOT = 'app:cache:default:';

let server: RedisServer;
/** Before the third process. */
let proxy: LineProxy;
let one: CacheProcess;
let loader: CacheProcess;
let third: CacheProcess;
let all: CacheProcess[];

beforeAll(async () => {
  server = await startStandalone();
  proxy = await LineProxy.start(server);
  const urls = [server.url, server.url, proxy.url];
  all = await Promise.all(urls.map((url) => CacheProcess.start({ mode: 'standalone', url }, PATIENT)));
  [one, loader, third] = all as [CacheProcess, CacheProcess, CacheProcess];
});
afterAll(async () => {
  await closeProcesses();
  proxy.stop();
  await server.stop();
});

let keys = 0;
const freshKey = (): string => `key-${++keys}`;
const everywhere = (read: (one: CacheProcess) => Promise<unknown>): Promise<unknown[]> => Promise.all(all.map(read));
const nowhere = [undefined, undefined, undefined];

interface Loading {
  /** What is there before. */
  prepare?(key: string, options: CacheEntryOptions): Promise<unknown>;
  begin(key: string, options: CacheEntryOptions): HeldLoad<unknown>;
  /** Whether its loader can add tags. */
  finds?: false;
}

const loadings: Record<string, Loading> = {
  'of a cold key': { begin: (key, options) => loader.load(key, options) },
  'of many cold keys': { begin: (key, options) => loader.loadMany([key, `${key}-other`], options), finds: false },
  'of a stale value': {
    async prepare(key, options) {
      await one.cache.set(key, 'earlier', options);
      await one.cache.expire(key);
    },
    begin: (key, options) => loader.load(key, options),
  },
  'in the background, of a stale value': {
    async prepare(key, options) {
      await one.cache.set(key, 'earlier', options);
      await one.cache.expire(key);
    },
    begin: (key, options) => loader.load(key, { ...options, softTimeout: '1ms' }),
  },
  'by refresh(), of a value that is fresh': {
    prepare: (key, options) => one.cache.set(key, 'earlier', options),
    begin: (key, options) => loader.refresh(key, options),
  },
};

interface Change {
  make(key: string): Promise<unknown>;
  /** What is there afterwards. */
  leaves?: string;
  tags?: string[];
  /** Those that the loader adds. */
  found?: string[];
  keepsEarlier?: boolean;
}

const changes: Record<string, Change> = {
  'a delete': { make: (key) => one.cache.delete(key) },
  'an expire': { make: (key) => one.cache.expire(key), keepsEarlier: true },
  'a set': { make: (key) => one.cache.set(key, 'set', { grace: '1m' }), leaves: 'set' },
  'the invalidation of its tag': { make: () => one.cache.invalidateTags('known'), tags: ['known'] },
  'the invalidation of a tag that it finds out': { make: () => one.cache.invalidateTags('found'), found: ['found'] },
  'the invalidation of a pattern': { make: (key) => one.cache.invalidatePattern(`${key}*`) },
  'DEL by another program': { make: (key) => server.call('DEL', ROOT + key) },
};

describe.each(Object.keys(loadings))('a load %s', (loading) => {
  const { prepare, begin, finds = true } = loadings[loading]!;
  const possible = Object.keys(changes).filter((change) => finds || !changes[change]!.found);

  describe.each(possible)('loses against %s that came after it began,', (change) => {
    const { make, leaves, tags = [], found = [], keepsEarlier = false } = changes[change]!;

    it.each(['before', 'after'])('for all who call afterwards, %s it has ended', async (moment) => {
      const key = freshKey();
      const options: CacheEntryOptions = { grace: '1m', tags };
      await prepare?.(key, options);
      const load = begin(key, options);
      await load.begun;

      await make(key);
      const call = (): Promise<unknown[]> => everywhere(({ cache }) => cache.getOrSet(key, { value: 'new' }, options));
      const early = moment === 'before' ? call() : undefined;
      // Callers who wait for the load have done so by now.
      if (early) await Promise.race([early, sleep(50)]);
      load.finish('old', found);
      await load.result;
      const late = await call();
      const read = await everywhere(({ cache }) => cache.get(key));
      const texts = [...((await early) ?? []), ...late, ...read].map(String);

      // What is expired may be served in place of a value that is being loaded anew, and what has no such tag is valid.
      const passing = prepare && (keepsEarlier || found.length > 0) ? 'earlier' : undefined;
      expect(texts.filter((text) => text !== passing && text !== (leaves ?? 'new'))).toEqual([]);
      if (keepsEarlier)
        expect([(await early) ?? late, read]).toEqual([expect.arrayContaining(['new']), ['new', 'new', 'new']]);
      expect(String(await server.call('GET', ROOT + key))).not.toContain('"old');
      expect((await everywhere(({ cache }) => cache.peek(key))).map(String)).not.toContain('old');
    });
  });
});

describe('writes of several processes at once', () => {
  it('leave all of them with what Redis has', async () => {
    const names = Array.from({ length: 5 }, freshKey);
    for (let round = 0; round < 20; round++) {
      const writes = all.flatMap(({ cache }, index) =>
        names.map((key, at) =>
          (round + at + index) % 3 === 0 ? cache.delete(key) : cache.set(key, `${round} ${index}`),
        ),
      );
      await Promise.all([...writes, ...names.map((key) => loader.cache.getOrSet(key, { value: `loaded ${round}` }))]);
    }

    for (const key of names) {
      const stored = (await server.call('GET', ROOT + key)) as string | null;
      const value = stored === null ? undefined : (JSON.parse(stored.slice(stored.indexOf('\n') + 1)) as unknown);
      await eventually(
        'all have the same',
        async () => {
          const held = await everywhere(({ cache }) => cache.peek(key));
          expect(held.filter((one) => one !== undefined && one !== value)).toEqual([]);
          return true;
        },
        2_000,
      );
      expect(await everywhere(({ cache }) => cache.get(key))).toEqual([value, value, value]);
    }
  });
});

/** Sets a key, and has every process hold it, which those do that are told of changes. */
async function warm(): Promise<string> {
  const key = freshKey();
  await one.cache.set(key, 'old', { ttl: '1h' });
  await everywhere(({ cache }) => cache.warm(key));
  return key;
}

describe('what a process holds is dropped', () => {
  const untilDropped = (key: string, among = all): Promise<unknown> =>
    eventually(
      'nobody holds it',
      async () => (await Promise.all(among.map(({ cache }) => cache.peek(key)))).every((value) => value !== 'old'),
      1_000,
    );

  it.each([
    ['SET', (key: string) => server.call('SET', key, 'n1\n"new"'), 'new'],
    ['DEL', (key: string) => server.call('DEL', key), undefined],
    ['FLUSHALL', () => server.call('FLUSHALL'), undefined],
    ['FLUSHALL ASYNC', () => server.call('FLUSHALL', 'ASYNC'), undefined],
    ['RENAME', (key: string) => server.call('RENAME', key, 'elsewhere'), undefined],
    ['EXPIRE in the past', (key: string) => server.call('EXPIRE', key, -1), undefined],
    ['the end of a time to live that somebody has set', (key: string) => server.call('PEXPIRE', key, 30), undefined],
    ['APPEND', (key: string) => server.call('APPEND', key, ' '), 'old'],
  ] as const)('after %s by another program', async (name, change, left) => {
    const key = await warm();

    await change(ROOT + key);

    if (name.startsWith('the end'))
      await eventually('it ends', async () => (await server.call('EXISTS', ROOT + key)) === 0);
    if (left !== 'old') await untilDropped(key);
    expect(await everywhere(({ cache }) => cache.get(key))).toEqual([left, left, left]);
  });

  it('when Redis evicts it', async () => {
    const names = await Promise.all(Array.from({ length: 40 }, warm));
    await server.configSet('maxmemory-policy', 'allkeys-lru');
    await server.configSet('maxmemory', '5mb');
    try {
      await eventually('some are evicted', async () => {
        for (let index = 0; index < 50; index++)
          await server.call('SET', `filler-${Math.random()}`, 'x'.repeat(10_000));
        return Number(await server.call('EXISTS', ...names.map((key) => ROOT + key))) < 20;
      });
      for (const key of names) {
        if (Number(await server.call('EXISTS', ROOT + key)) === 0) await untilDropped(key);
      }
    } finally {
      await server.configSet('maxmemory', 0);
      await server.configSet('maxmemory-policy', 'noeviction');
      await server.call('FLUSHALL');
    }
  });

  it('when Redis comes back empty', async () => {
    const key = await warm();

    await server.restart();

    await eventually('all are back', async () => {
      return (await everywhere(({ cache }) => cache.state())).every((state) => state === 'ready');
    });
    await eventually(
      'nobody serves it',
      async () => {
        return (await everywhere(({ cache }) => cache.get(key))).every((value) => value === undefined);
      },
      3_000,
    );
    expect(await everywhere(({ cache }) => cache.peek(key))).toEqual(nowhere);
  });

  it('before a process that stood still, and whose line of reports was cut meanwhile, serves anything', async () => {
    for (let round = 0; round < 3; round++) {
      const key = await warm();
      third.pause();
      proxy.cutReports();
      await one.cache.delete(key);
      await sleep(1_600);
      // This is there before its timers have run: what it reads first is up to chance.
      const peeked = Promise.all(Array.from({ length: 20 }, () => third.cache.peek(key)));
      third.resume();

      expect(await peeked).toEqual(Array.from({ length: 20 }, () => undefined));
      expect(await third.cache.get(key)).toBeUndefined();
    }
  });

  it('within two seconds when the line of reports has gone silent, and not earlier than need be', async () => {
    const key = await warm();
    proxy.losesReports = true;
    await one.cache.delete(key);
    const deletedAt = performance.now();

    await eventually('it is dropped', async () => (await third.cache.peek(key)) === undefined);
    const droppedAfterMs = performance.now() - deletedAt;
    expect(await third.cache.get(key)).toBeUndefined();

    expect(droppedAfterMs).toBeLessThan(2_300);
    expect(droppedAfterMs).toBeGreaterThan(500);
    proxy.losesReports = false;
    proxy.cutReports();
    await third.cache.getOrSet(key, { value: 'new' });
    await third.cache.warm(key);
  });
});

describe('while rows are written and read in three processes', () => {
  const measure = (during: () => Promise<unknown>): ReturnType<typeof measureStaleness> =>
    measureStaleness(one, [loader, third], ['delete', 'set', 'invalidateTags', 'expire'], during);

  beforeEach(warm);

  it('nobody is served an old version for longer than a report takes', async () => {
    const report = await measure(() => sleep(1_500));

    expect(report.stale).toEqual([]);
    expect(report.versions).toBeGreaterThan(30);
    expect(report.longestMs).toBeLessThan(500);
  });

  it('lines of reports may be cut again and again', async () => {
    const report = await measure(async () => {
      for (let round = 0; round < 12; round++) {
        await server.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
        await sleep(round % 2 === 0 ? 53 + round : 300);
      }
    });

    expect(report.stale).toEqual([]);
    expect(report.longestMs).toBeLessThan(500);
  });

  it('a line of reports that has gone silent is not relied on for longer than two seconds', async () => {
    const report = await measure(async () => {
      proxy.losesReports = true;
      await sleep(2_500);
      proxy.losesReports = false;
      proxy.cutReports();
    });

    expect(report.stale).toEqual([]);
    expect(report.longestMs).toBeLessThan(2_200);
  });

  it('a process may stand still', async () => {
    const report = await measure(async () => {
      for (const pauseMs of [200, 1_000, 2_500]) {
        third.pause();
        await sleep(pauseMs);
        third.resume();
        await sleep(200);
      }
    });

    expect(report.stale).toEqual([]);
    expect(report.longestMs).toBeLessThan(2_200);
  });

  it('scripts may be flushed', async () => {
    const report = await measure(async () => {
      for (let round = 0; round < 10; round++) {
        await server.flushScripts();
        await sleep(50);
      }
    });

    expect(report.stale).toEqual([]);
    expect(report.longestMs).toBeLessThan(500);
  });
});
