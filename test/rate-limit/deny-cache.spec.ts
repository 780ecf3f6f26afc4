import { randomUUID } from 'node:crypto';
import type { RedisConnectionOptions } from '@nuthatch/redis';
import type { RateLimitDecision } from '../../libs/rate-limit/src/decision.js';
import { DenyCache } from '../../libs/rate-limit/src/deny-cache/deny-cache.js';
import type { DeniedSubjects } from '../../libs/rate-limit/src/deny-cache/denied-subjects.js';
import type { RateLimitDriver, Rule } from '../../libs/rate-limit/src/drivers/rate-limit-driver.js';
import { RedisRateLimitDriver } from '../../libs/rate-limit/src/drivers/redis.driver.js';
import { encodeNews, newsChannel } from '../../libs/rate-limit/src/news/news-message.js';
import { RedisLimitNews } from '../../libs/rate-limit/src/news/redis-news.js';
import { subjectKey } from '../../libs/rate-limit/src/subject-key.js';
import { eventually, startProxy, startStandalone, type RedisServer, type TcpProxy } from '../harness/index.js';
import { closeConnections, openConnection, sharedServers, untilUp } from '../redis/open-connection.js';

const LIMIT = 3;
const RULE: Rule = { id: 7, kind: 'gcra', cost: 1, shadow: false, emissionUs: 3_600_000_000, burst: LIMIT };
const POLICY = { name: 'api', id: 7, capacity: LIMIT, cost: 1, shadow: false, when: 'always', shape: RULE } as const;

const processes: Process[] = [];

/** A process that limits subjects, as far as Redis can tell. */
class Process {
  readonly news: RedisLimitNews;
  readonly cache: DenyCache;
  readonly driver: RateLimitDriver;
  readonly denied: DeniedSubjects;
  /** How often Redis was asked. */
  asked = 0;

  static async open(options: RedisConnectionOptions, root: string): Promise<Process> {
    const { connection } = await openConnection(options);
    await untilUp(connection);
    const process = new Process(
      root,
      new RedisRateLimitDriver(connection, 2_000),
      new RedisLimitNews(connection, root),
    );
    processes.push(process);
    await eventually('the news can be relied on', () => process.news.alive);
    return process;
  }

  constructor(
    private readonly root: string,
    driver: RateLimitDriver,
    news: RedisLimitNews,
  ) {
    this.driver = driver;
    this.news = news;
    this.cache = new DenyCache(news);
    this.denied = this.cache.forSet([POLICY]);
  }

  key(subject: string): string {
    return subjectKey(this.root, subject);
  }

  async consume(subject: string): Promise<RateLimitDecision> {
    const known = this.denied.look(subject, undefined);
    if (known) return known;
    const askedAtMs = performance.now();
    const decision = await this.ask(subject);
    this.denied.note(subject, [this.key(subject)], undefined, decision, askedAtMs);
    return decision;
  }

  async ask(subject: string): Promise<RateLimitDecision> {
    this.asked += 1;
    const { allowed, verdicts, nowUs } = await this.driver.decide(
      [{ key: this.key(subject), rules: [RULE] }],
      this.asked,
    );
    const { remaining, retryUs, resetUs } = verdicts[0]!;
    const resetMs = Math.ceil(resetUs / 1_000);
    return {
      allowed,
      remaining,
      retryAfterMs: Math.ceil(retryUs / 1_000),
      resetAt: new Date(nowUs / 1_000 + resetMs),
      violated: allowed ? [] : ['api'],
      policies: [{ name: 'api', limit: LIMIT, remaining, resetMs, denies: true }],
      shared: true,
    };
  }

  async exhaust(subject: string): Promise<void> {
    for (let call = 0; call < LIMIT; call++) expect(await this.consume(subject)).toMatchObject({ allowed: true });
    expect(await this.consume(subject)).toMatchObject({ allowed: false });
  }

  async reset(subject: string): Promise<void> {
    await this.driver.reset(this.key(subject), [RULE.id]);
    await this.news.publish({ kind: 'forget', key: this.key(subject), ids: [RULE.id] });
  }

  close(): void {
    this.cache.close();
    this.news.close();
  }
}

afterEach(async () => {
  for (const process of processes.splice(0)) process.close();
  await closeConnections();
});

describe.each(['standalone', 'sentinel', 'cluster'] as const)('a denied subject on %s', (mode) => {
  it('is denied without Redis, and freed in all processes at once by a reset in one', async () => {
    const root = `app:${randomUUID()}:limit:`;
    const [one, other] = await Promise.all([1, 2].map(() => Process.open(sharedServers()[mode], root)));
    await one!.exhaust('user:1');
    await one!.exhaust('user:2');
    const before = await other!.consume('user:1');
    const asked = other!.asked;
    for (let call = 0; call < 1_000; call++) {
      const { allowed, retryAfterMs } = await other!.consume('user:1');
      expect(allowed).toBe(false);
      expect(retryAfterMs).toBeLessThanOrEqual(before.retryAfterMs);
      expect(retryAfterMs).toBeGreaterThan(before.retryAfterMs - 10_000);
    }
    expect(other!.asked).toBe(asked);

    await one!.reset('user:1');
    expect(one!.denied.look('user:1', undefined)).toBeUndefined();
    await eventually('it is free', async () => (await other!.consume('user:1')).allowed, 1_000);

    expect(other!.asked).toBe(asked + 1);
    expect(one!.denied.look('user:2', undefined)).toMatchObject({ allowed: false });
  });

  it('is not denied by a reply that was decided before its reset, and comes after the news of it', async () => {
    const root = `app:${randomUUID()}:limit:`;
    const [one, other] = await Promise.all([1, 2].map(() => Process.open(sharedServers()[mode], root)));
    await one!.exhaust('user:1');
    const told = new Promise<void>((resolve) => {
      other!.news.on({ told: () => resolve(), armed: () => undefined, gap: () => undefined });
    });

    const askedAtMs = performance.now();
    const late = await other!.ask('user:1');
    expect(late.allowed).toBe(false);
    await one!.reset('user:1');
    await told;
    other!.denied.note('user:1', [other!.key('user:1')], undefined, late, askedAtMs);

    expect(await other!.consume('user:1')).toMatchObject({ allowed: true });
  });

  it('is freed by what a script publishes', async () => {
    const root = `app:${randomUUID()}:limit:`;
    const [one, other] = await Promise.all([1, 2].map(() => Process.open(sharedServers()[mode], root)));
    await one!.exhaust('user:1');
    await other!.driver.reset(other!.key('user:1'), [RULE.id]);
    const { connection } = await openConnection(sharedServers()[mode]);
    await untilUp(connection);
    const script = "return redis.pcall('PUBLISH', ARGV[1], ARGV[2])";
    const message = encodeNews({ kind: 'forget', key: one!.key('user:1') });
    await connection.call('eval', [script, 1, one!.key('user:1'), newsChannel(root), message]);

    await eventually('it is free', async () => (await one!.consume('user:1')).allowed, 1_000);
  });
});

describe('a process that may miss news', () => {
  let server: RedisServer;
  let proxy: TcpProxy;

  beforeEach(async () => {
    server = await startStandalone();
    proxy = await startProxy(server);
  });
  afterEach(async () => {
    await proxy.stop();
    await server.stop();
  });

  it('forgets what it knows when its subscription is cut, asks Redis meanwhile, and keeps denials again after that', async () => {
    const one = await Process.open({ mode: 'standalone', url: server.url }, 'app:limit:');
    await one.exhaust('user:1');
    const gap = new Promise<void>((resolve) => {
      one.news.on({ told: () => undefined, armed: () => undefined, gap: resolve });
    });
    await server.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await gap;

    expect(one.cache.size).toBe(0);
    expect(one.news.alive).toBe(false);
    const asked = one.asked;
    const [first, second] = [one.consume('user:1'), one.consume('user:1')];
    expect(one.asked).toBe(asked + 2);
    expect([(await first).allowed, (await second).allowed]).toEqual([false, false]);

    await eventually('the news can be relied on', () => one.news.alive);
    await one.consume('user:1');
    expect(one.cache.size).toBe(1);
  });

  it('forgets what it knows within two seconds when its lines fall silent, so that it misses no reset', async () => {
    const one = await Process.open({ mode: 'standalone', url: server.url }, 'app:limit:');
    const other = await Process.open(
      { mode: 'standalone', url: `redis://${proxy.host}:${proxy.port}`, commandTimeout: '500ms' },
      'app:limit:',
    );
    await one.exhaust('user:1');
    await other.consume('user:1');
    expect(other.cache.size).toBe(1);

    proxy.blackhole('replies');
    await one.reset('user:1');
    expect(await other.consume('user:1')).toMatchObject({ allowed: false });
    await eventually('all is forgotten', () => other.cache.size === 0, 3_000);
    expect(other.news.alive).toBe(false);

    proxy.heal();
    await eventually('the news can be relied on', () => other.news.alive);
    expect(await other.consume('user:1')).toMatchObject({ allowed: true });
  });

  it('keeps nothing where it is not allowed to subscribe', async () => {
    await server.call('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '+@all', 'resetchannels');
    const url = server.url.replace('redis://', 'redis://app:secret@');
    const { connection, logs } = await openConnection({ mode: 'standalone', url });
    await untilUp(connection);
    const one = new Process(
      'app:limit:',
      new RedisRateLimitDriver(connection, 2_000),
      new RedisLimitNews(connection, 'app:limit:'),
    );
    processes.push(one);
    await eventually('that is logged', () => logs.some((line) => line.includes('app:limit:news*')));

    await one.exhaust('user:1');
    expect(one.cache.size).toBe(0);
    expect(one.news.alive).toBe(false);
  });

  it('holds nothing open at the server when it has ended', async () => {
    const one = await Process.open({ mode: 'standalone', url: server.url }, 'app:limit:');
    expect(await server.call('PUBSUB', 'CHANNELS')).toHaveLength(2);
    one.close();
    await eventually(
      'nobody listens',
      async () => ((await server.call('PUBSUB', 'CHANNELS')) as string[]).length === 0,
    );
  });
});
