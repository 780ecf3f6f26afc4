import { randomUUID } from 'node:crypto';
import type { RedisConnectionOptions } from '@nuthatch/redis';
import type { ServerConnection } from '@nuthatch/redis/internal';
import type { RateLimitDecision } from '../../libs/rate-limit/src/decision.js';
import { DenyCache } from '../../libs/rate-limit/src/deny-cache/deny-cache.js';
import type { DeniedSubjects } from '../../libs/rate-limit/src/deny-cache/denied-subjects.js';
import { RedisLimitNews } from '../../libs/rate-limit/src/news/redis-news.js';
import { LimitOverridesFullError } from '../../libs/rate-limit/src/overrides/limit-overrides.errors.js';
import { LimitOverrides } from '../../libs/rate-limit/src/overrides/limit-overrides.js';
import { RedisOverrideStore } from '../../libs/rate-limit/src/overrides/redis-override-store.js';
import { RateLimitCallError } from '../../libs/rate-limit/src/rate-limit.errors.js';
import { eventually, startStandalone, type RedisServer } from '../harness/index.js';
import { closeConnections, openConnection, sharedServers, untilUp } from '../redis/open-connection.js';

interface Policy {
  readonly name: string;
  readonly id: number;
}

interface Process {
  readonly overrides: LimitOverrides<Policy>;
  readonly cache: DenyCache;
  readonly denied: DeniedSubjects;
  readonly connection: ServerConnection;
  readonly logs: readonly string[];
  readonly news: RedisLimitNews;
}

const policies = new Map(['api', 'login'].map((name, index) => [name, { name, id: index + 1 }]));
const ends: (() => void)[] = [];
// Well below the poll that is the net.
const AT_ONCE_MS = 1_500;

/** A process that limits subjects, as far as Redis can tell. */
async function openProcess(options: RedisConnectionOptions, root: string): Promise<Process> {
  const { connection, logs } = await openConnection(options);
  await untilUp(connection);
  const news = new RedisLimitNews(connection, root);
  const cache = new DenyCache(news);
  const overrides = new LimitOverrides<Policy>({
    store: new RedisOverrideStore(connection, root),
    news,
    policies,
    withLimit: ({ name }, limit) => {
      if (!Number.isInteger(limit) || limit < 1) throw new RateLimitCallError(`The limit of ${name} is ${limit}.`);
    },
    changed: (changed) =>
      cache.forget(
        undefined,
        changed.map(({ id }) => id),
      ),
  });
  ends.push(() => {
    overrides.stop();
    cache.close();
    news.close();
  });
  await overrides.start();
  const of = {
    id: 1,
    name: 'api',
    capacity: 3,
    cost: 1,
    shadow: false,
    when: 'always',
    shape: { kind: 'gcra' },
  } as const;
  return { overrides, cache, denied: cache.forSet([of]), connection, logs, news };
}

const denial: RateLimitDecision = {
  allowed: false,
  remaining: 0,
  retryAfterMs: 3_600_000,
  resetAt: new Date(),
  violated: ['api'],
  policies: [{ name: 'api', limit: 3, remaining: 0, resetMs: 3_600_000, denies: true }],
  shared: true,
};

afterEach(async () => {
  for (const end of ends.splice(0)) end();
  await closeConnections();
});

describe.each(['standalone', 'sentinel', 'cluster'] as const)('an override on %s', (mode) => {
  it('is in force at once in every process, also in those that start later, until it is taken away', async () => {
    const root = `app:${randomUUID()}:limit:`;
    const [one, other] = await Promise.all([1, 2].map(() => openProcess(sharedServers()[mode], root)));
    await eventually('the news can be relied on', () => other!.news.alive);
    const strange = ['x'.repeat(10_000), 'lone \ud800', 'ü:{}"\n', `%sha256:${'A'.repeat(43)}`];

    await one!.overrides.set('api', 50, { note: 'ann' });
    expect(one!.overrides.limitFor('api', 'user:1')).toBe(50);
    for (const [index, subject] of strange.entries()) await one!.overrides.set('api', 60 + index, { subject });
    await eventually('it is known', () => other!.overrides.limitFor('api', strange.at(-1)!) === 63, AT_ONCE_MS);

    const late = await openProcess(sharedServers()[mode], root);
    for (const { overrides } of [other!, late]) {
      expect(strange.map((subject) => overrides.limitFor('api', subject))).toEqual([60, 61, 62, 63]);
      expect(overrides.limitFor('api', 'user:1')).toBe(50);
      expect(overrides.limitFor('login', 'user:1')).toBeUndefined();
    }
    expect(late.overrides.list().find(({ subject }) => !subject)).toMatchObject({
      policy: 'api',
      limit: 50,
      note: 'ann',
    });
    const ageMs = Date.now() - late.overrides.list()[0]!.since.getTime();
    expect(Math.abs(ageMs)).toBeLessThan(60_000);
    expect(Number(await one!.connection.call('pttl', [`${root}overrides`]))).toBeGreaterThan(0);

    expect([one!, other!, late].flatMap(({ logs }) => logs).join()).not.toContain('ignored');

    await other!.overrides.clear('api');
    expect(other!.overrides.limitFor('api', 'user:1')).toBeUndefined();
    await eventually('it is known', () => one!.overrides.limitFor('api', 'user:1') === undefined, AT_ONCE_MS);
    expect(one!.overrides.limitFor('api', strange[0]!)).toBe(60);
  });

  it('frees the subjects that were denied by the old limit', async () => {
    const root = `app:${randomUUID()}:limit:`;
    const [one, other] = await Promise.all([1, 2].map(() => openProcess(sharedServers()[mode], root)));
    for (const { news } of [one!, other!]) await eventually('the news can be relied on', () => news.alive);
    for (const { denied } of [one!, other!]) {
      denied.note('user:1', [`${root}{user:1}`], undefined, denial, performance.now());
      expect(denied.look('user:1', undefined)).toBeDefined();
    }

    await one!.overrides.set('login', 50);
    await eventually('it is known', () => other!.overrides.limitFor('login', 'a') === 50, AT_ONCE_MS);
    expect(other!.denied.look('user:1', undefined)).toBeDefined();
    await one!.overrides.set('api', 50);
    expect(one!.denied.look('user:1', undefined)).toBeUndefined();
    await eventually('it is free', () => other!.denied.look('user:1', undefined) === undefined, AT_ONCE_MS);
    // Never free before the new limit is in force: it would be denied by the old one, and kept again.
    expect(other!.overrides.limitFor('api', 'user:1')).toBe(50);
  });
});

describe('overrides in a server', () => {
  let server: RedisServer;
  beforeEach(async () => void (server = await startStandalone()));
  afterEach(() => server.stop());
  const open = () => openProcess({ mode: 'standalone', url: server.url }, 'app:limit:');
  const key = 'app:limit:overrides';

  it('may be written by hand, and what is none is ignored and logged once', async () => {
    await server.call('HSET', key, 'api', '{"v":1,"limit":50}', 'login', 'five', ':version', 'x');
    const one = await open();
    expect(one.overrides.limitFor('api', 'a')).toBe(50);
    expect(one.overrides.limitFor('login', 'a')).toBeUndefined();
    expect(Number(await server.call('PTTL', key))).toBeGreaterThan(0);

    await server.call('HSET', key, 'login', '{"v":1,"limit":-5}');
    await eventually('that is logged, too', () => one.logs.filter((line) => line.includes('ignored')).length === 2);
    await server.call('HSET', key, 'login', '{"v":1,"limit":5}');
    await eventually('it is in force', () => one.overrides.limitFor('login', 'a') === 5);
    await one.overrides.set('login', 6);
    expect(one.overrides.limitFor('login', 'a')).toBe(6);
    expect(await server.call('HGET', key, ':version')).toBe('1');
    expect(one.logs.filter((line) => line.includes('ignored'))).toHaveLength(2);
  }, 30_000);

  it('are 10,000 of single subjects at most, and are read again only when they have changed', async () => {
    const fields = Array.from({ length: 10_000 }, (_, index) => [`api:user:${index}`, '{"v":1,"limit":9}']).flat();
    await server.call('HSET', key, ...fields);
    const one = await open();
    expect(one.overrides.limitFor('api', 'user:9999')).toBe(9);

    await expect(one.overrides.set('api', 5, { subject: 'new' })).rejects.toThrow(LimitOverridesFullError);
    await one.overrides.set('login', 5);
    await one.overrides.set('api', 5, { subject: 'user:1' });
    expect(one.overrides.limitFor('login', 'a')).toBe(5);
    expect(one.overrides.limitFor('api', 'user:1')).toBe(5);
    const before = (await server.commandStats())['hgetall']?.calls;
    await one.overrides.start();
    expect((await server.commandStats())['hgetall']?.calls).toBe(before);
    expect(one.overrides.list()).toHaveLength(10_001);
    await one.overrides.clear('api', { subject: 'user:1' });
    await one.overrides.clear('login');
    await one.overrides.set('api', 5, { subject: 'new' });
    expect(one.overrides.limitFor('api', 'new')).toBe(5);
  });

  it('stay as they were known last in an outage, and are there again after it', async () => {
    const one = await open();
    await one.overrides.set('api', 50);
    await server.kill();
    await expect(one.overrides.set('api', 60)).rejects.toThrow();
    expect(one.overrides.limitFor('api', 'a')).toBe(50);

    await server.restart();
    await untilUp(one.connection);
    await server.call('HSET', key, 'api', '{"v":1,"limit":70}');
    await eventually('it is read', () => one.overrides.limitFor('api', 'a') === 70);
  }, 30_000);

  it('are set where something else stood, and where publishing is not allowed', async () => {
    await server.call('SET', key, 'something else');
    await server.call('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '+@all', 'resetchannels');
    const url = server.url.replace('redis://', 'redis://app:secret@');
    const one = await openProcess({ mode: 'standalone', url }, 'app:limit:');
    expect(one.overrides.list()).toEqual([]);
    await one.overrides.set('api', 50);

    expect(one.overrides.limitFor('api', 'a')).toBe(50);
    expect((await open()).overrides.limitFor('api', 'a')).toBe(50);
  });

  it('do not live for ever', async () => {
    const { connection } = await open();
    await new RedisOverrideStore(connection, 'app:limit:').set('api', '{"v":1,"limit":50');
    expect(Number(await server.call('PTTL', key))).toBeGreaterThan(0);
  });
});
