import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, startStandalone, type RedisServer } from '../harness/index.js';
import { CacheProcess, closeProcesses } from './faults/cache-process.js';
import { CommandLog } from './faults/command-log.js';
import { LineProxy } from './faults/line-proxy.js';

// Where this machine has more to do than it can, a call would take Redis for dead, and go on without.
const PATIENT = { redisTimeout: '2s' } as const;
const HOUR_MS = 3_600_000;

const ROOT = 'app:cache:';
const STATE = `${ROOT}{tags}`;
const STAMPS = `${ROOT}{tags}:stamps`;

let server: RedisServer;
let proxy: LineProxy;
let one: CacheProcess;
/** Its wall clock is an hour ahead. */
let ahead: CacheProcess;
/** Its wall clock is an hour behind, and its lines go through the proxy. */
let behind: CacheProcess;
let all: CacheProcess[];

beforeAll(async () => {
  server = await startStandalone();
  proxy = await LineProxy.start(server);
  const start = (url: string, clockShiftMs: number): Promise<CacheProcess> =>
    CacheProcess.start({ mode: 'standalone', url }, { ...PATIENT, clockShiftMs });
  all = await Promise.all([start(server.url, 0), start(server.url, HOUR_MS), start(proxy.url, -HOUR_MS)]);
  [one, ahead, behind] = all as [CacheProcess, CacheProcess, CacheProcess];
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

describe('the clock of a process', () => {
  it('may be an hour off: the others keep and end its entries in time, and it theirs', async () => {
    const names = await Promise.all(
      all.map(async (writer) => {
        const key = freshKey();
        await writer.cache.set(key, 'value', { ttl: '1500ms', jitter: 0, tags: ['clock'] });
        return key;
      }),
    );
    const setAt = performance.now();

    for (const key of names)
      expect(await everywhere(({ cache }) => cache.get(key))).toEqual(['value', 'value', 'value']);
    expect(performance.now() - setAt).toBeLessThan(1_400);
    await sleep(1_500 - (performance.now() - setAt));

    for (const key of names) {
      expect(await everywhere(({ cache }) => cache.peek(key))).toEqual(nowhere);
      expect(await everywhere(({ cache }) => cache.get(key))).toEqual(nowhere);
    }
  });

  it('means nothing for tags: whoever invalidates one, it is so for all, and what is set afterwards is valid', async () => {
    for (const writer of all) {
      for (const invalidator of all) {
        const key = freshKey();
        await writer.cache.set(key, 'old', { tags: ['t'] });
        await invalidator.cache.invalidateTags('t');
        expect(await everywhere(({ cache }) => cache.getOrSet(key, { value: 'new' }, { tags: ['t'] }))).toEqual([
          'new',
          'new',
          'new',
        ]);
      }
    }
  });
});

describe('a tag', () => {
  it('is unknown to no process that has heard of a later one', async () => {
    const key = freshKey();
    await one.cache.set(key, 'old', { tags: ['mine'] });
    await behind.cache.warm(key);
    proxy.holdReports();
    await one.cache.invalidateTags('another');
    await behind.cache.invalidateTags('mine');
    expect(await behind.cache.peek(key)).toBeUndefined();

    // Now it is told of both, and asks what has changed; the answer takes its time.
    proxy.replyDelayMs = 200;
    proxy.releaseReports();
    const seen = new Set<unknown>();
    for (const until = performance.now() + 300; performance.now() < until;) seen.add(await behind.cache.peek(key));
    proxy.replyDelayMs = 0;

    expect([...seen]).toEqual([undefined]);
    expect(await behind.cache.get(key)).toBeUndefined();
  });

  it('that was just invalidated does not keep what is set afterwards from being read', async () => {
    for (let round = 0; round < 20; round++) {
      const key = freshKey();
      await Promise.all([one.cache.invalidateTags('busy'), ahead.cache.invalidateTags('busy')]);
      await one.cache.invalidateTags('set');
      await one.cache.set(key, 'value', { tags: ['set'] });
      expect(await one.cache.get(key)).toBe('value');
    }
  });

  it('costs a hit in process nothing, a hit in Redis no further command, and a set none', async () => {
    const log = await CommandLog.open(server);
    const names = async (): Promise<string[]> => (await log.take(server)).map((line) => line.split(' ', 1)[0]!);
    // All processes have heard of what was invalidated, and have asked what they wanted to know.
    const untilQuiet = (): Promise<string[]> => {
      const seen: string[] = [];
      return eventually('nobody asks anything', async () => {
        const before = seen.length;
        await sleep(100);
        seen.push(...(await names()));
        return before === seen.length && seen.length > 0 && seen;
      });
    };
    const commandsOf = async (): Promise<Record<string, string[]>> => {
      const key = freshKey();
      await everywhere(({ cache }) => cache.invalidateTags('cost'));
      await untilQuiet();
      await one.cache.set(key, 'value', { tags: ['cost', 'more'] });
      const set = await untilQuiet();
      expect(await ahead.cache.get(key)).toBe('value');
      const hitInRedis = await names();
      for (let hit = 0; hit < 20; hit++) expect(await ahead.cache.get(key)).toBe('value');
      return { set, hitInRedis, hitsInProcess: await names() };
    };
    try {
      // On a busy machine a process may take its line for dead at any time, and then asks what it has missed.
      const rounds: Record<string, string[]>[] = [];
      for (let round = 0; round < 5; round++) rounds.push(await commandsOf());
      expect(rounds).toContainEqual({ set: ['set', 'getrange'], hitInRedis: ['mget'], hitsInProcess: [] });
    } finally {
      log.close();
    }
  });
});

describe.each([
  ['the state', [STATE]],
  ['the stamps', [STAMPS]],
  ['the state and the stamps', [STATE, STAMPS]],
])('when Redis evicts %s of the tags', (_, lost) => {
  it('nothing that was invalidated before comes back, and entries can be tagged as before', async () => {
    const key = freshKey();
    await one.cache.set(key, 'old', { tags: ['evicted'] });
    await everywhere(({ cache }) => cache.warm(key));
    await behind.cache.invalidateTags('evicted');

    await server.call('DEL', ...lost);

    expect(await everywhere(({ cache }) => cache.get(key))).toEqual(nowhere);
    const fresh = await CacheProcess.start({ mode: 'standalone', url: server.url }, PATIENT);
    expect(await fresh.cache.get(key)).toBeUndefined();
    await fresh.close();
    await ahead.cache.set(key, 'new', { tags: ['evicted'] });
    await everywhere(({ cache }) => cache.warm(key));
    expect(await everywhere(({ cache }) => cache.get(key))).toEqual(['new', 'new', 'new']);
  });

  it('what is invalidated afterwards is invalid', async () => {
    const key = freshKey();
    await one.cache.set(key, 'old', { tags: ['evicted'] });
    await everywhere(({ cache }) => cache.warm(key));

    await server.call('DEL', ...lost);
    await behind.cache.invalidateTags('evicted');

    expect(await everywhere(({ cache }) => cache.get(key))).toEqual(nowhere);
    await eventually('no process holds it', async () => {
      return (await everywhere(({ cache }) => cache.peek(key))).every((value) => value === undefined);
    });
  });

  it('the result of a load that began before, and was invalidated, is not stored', async () => {
    const key = freshKey();
    const load = behind.load(key, { tags: ['evicted'] });
    await load.begun;
    await one.cache.invalidateTags('evicted');

    await server.call('DEL', ...lost);
    load.finish('old');
    await load.result;

    expect(await everywhere(({ cache }) => cache.get(key))).toEqual(nowhere);
    expect(await everywhere(({ cache }) => cache.getOrSet(key, { value: 'new' }))).toEqual(['new', 'new', 'new']);
  });
});

describe('the bookkeeping of tags', () => {
  it('that has lost the stamps of more tags than a process knows leaves nothing valid', async () => {
    const key = freshKey();
    await one.cache.set(key, 'old', { tags: ['long-ago'] });
    await one.cache.invalidateTags('long-ago');
    for (let batch = 0; batch < 3; batch++) {
      await one.cache.invalidateTags(...Array.from({ length: 5_000 }, (_, index) => `tag-${batch}-${index}`));
    }
    const fresh = await CacheProcess.start({ mode: 'standalone', url: server.url }, PATIENT);
    await fresh.cache.set('tagged', 'value', { tags: ['any'] });

    await server.call('DEL', STAMPS);

    expect(await fresh.cache.get(key)).toBeUndefined();
    await fresh.close();
  });

  it('that comes from an older copy of Redis makes nothing valid, whatever the counter was before', async () => {
    for (const name of [STATE, STAMPS]) await server.call('COPY', name, `before:${name}`);
    for (let count = 0; count < 5; count++) await one.cache.invalidateTags(`lost-${count}`);
    const key = freshKey();
    await one.cache.set(key, 'old', { tags: ['regressed'] });
    await everywhere(({ cache }) => cache.warm(key));

    // As a replica has it that was behind when it became the master.
    for (const name of [STATE, STAMPS]) await server.call('COPY', `before:${name}`, name, 'REPLACE');
    await ahead.cache.invalidateTags('regressed');

    expect(await everywhere(({ cache }) => cache.get(key))).toEqual(nowhere);
    await eventually('no process holds it', async () => {
      return (await everywhere(({ cache }) => cache.peek(key))).every((value) => value === undefined);
    });
  });

  it.each([
    ['a list', 'LPUSH'],
    ['garbage', 'SET'],
  ])('that somebody has replaced by %s is made anew', async (_, command) => {
    const key = freshKey();
    await one.cache.set(key, 'old', { tags: ['broken'] });
    // In one go: a process that is told of the deletion begins anew at once.
    const replace = `for _, key in ipairs(KEYS) do redis.call('DEL', key) redis.call(ARGV[1], key, 'x.1.y') end`;
    await server.call('EVAL', replace, 2, STATE, STAMPS, command);

    await ahead.cache.invalidateTags('broken');
    expect(await everywhere(({ cache }) => cache.get(key))).toEqual(nowhere);
    await behind.cache.set(key, 'new', { tags: ['broken'] });
    await everywhere(({ cache }) => cache.warm(key));
  });
});

describe('a Redis that is full and evicts nothing', () => {
  afterEach(() => server.configSet('maxmemory', 0));

  it('still takes the invalidation of a tag', async () => {
    const key = freshKey();
    await one.cache.set(key, 'old', { tags: ['full'] });
    await everywhere(({ cache }) => cache.warm(key));
    await server.configSet('maxmemory', 1);

    await behind.cache.invalidateTags('full');

    expect(await everywhere(({ cache }) => cache.get(key))).toEqual(nowhere);
    expect(await everywhere(({ cache }) => cache.getOrSet(key, { value: 'loaded' }))).toEqual([
      'loaded',
      'loaded',
      'loaded',
    ]);
    await server.configSet('maxmemory', 0);
    expect(await everywhere(({ cache }) => cache.get(key))).toEqual(nowhere);
    await one.cache.set(key, 'new', { tags: ['full'] });
    await everywhere(({ cache }) => cache.warm(key));
  });

  it('still takes a deletion, and a set in place of an older value is one', async () => {
    const [deleted, set] = [freshKey(), freshKey()];
    await one.cache.set(deleted, 'old');
    await one.cache.set(set, 'old');
    await everywhere(({ cache }) => cache.warm(deleted, set));
    await server.configSet('maxmemory', 1);

    await behind.cache.delete(deleted);
    await behind.cache.set(set, 'new');

    await eventually('no process has the old ones', async () => {
      const values = await Promise.all([deleted, set].map((key) => everywhere(({ cache }) => cache.get(key))));
      return values.flat().every((value) => value !== 'old');
    });
  });
});
