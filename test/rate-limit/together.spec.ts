import { randomUUID } from 'node:crypto';
import type { INestApplicationContext, LoggerService } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { concurrency, fixedWindow, gcra, RateLimiter, RateLimitModule, slidingLog } from '@nuthatch/rate-limit';
import { RedisConnections, RedisModule } from '@nuthatch/redis';
import type { ServerConnection } from '@nuthatch/redis/internal';
import { RateLimitCore } from '../../libs/rate-limit/src/rate-limit-core.js';
import { eventually, startStandalone, type RedisServer } from '../harness/index.js';
import { untilUp } from '../redis/open-connection.js';

const silent: LoggerService = { log: () => undefined, warn: () => undefined, error: () => undefined };
const open: INestApplicationContext[] = [];
const policies = {
  api: gcra({ limit: 3, per: '1h' }),
  log: slidingLog({ limit: 3, per: '1h' }),
  tenant: fixedWindow({ limit: 10_000, per: '1h', lease: { size: 100, for: '2s' } }),
  uploads: concurrency({ max: 1, lease: '1s' }),
};
let server: RedisServer;

beforeAll(async () => {
  server = await startStandalone();
});
afterAll(async () => {
  await server.stop();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((app) => app.close()));
});

/** A process, as far as Redis can tell. */
async function openProcess(): Promise<RateLimiter> {
  const connection = { mode: 'standalone', url: server.url } as const;
  const module = await Test.createTestingModule({
    imports: [
      RedisModule.forRoot({ connections: { default: connection } }),
      RateLimitModule.forRoot({ policies, redisTimeout: '2s' }),
    ],
  })
    .setLogger(silent)
    .compile();
  open.push(module);
  await module.init();
  await untilUp(module.get(RedisConnections).get() as ServerConnection);
  const { news } = (module.get(RateLimitCore) as unknown as { extras: { news: { alive: boolean } } }).extras;
  await eventually('it hears the others', () => news.alive);
  return module.get(RateLimiter);
}

/** How many scripts Redis has run. */
async function scripts(): Promise<number> {
  const stats = String(await server.call('INFO', 'commandstats'));
  return ['eval', 'evalsha'].reduce((sum, name) => {
    const [, calls = '0'] = new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats) ?? [];
    return sum + Number(calls);
  }, 0);
}

async function exhaust(limiter: RateLimiter, policy: string, subject: string): Promise<void> {
  while ((await limiter.consume(policy, subject)).allowed);
}

describe('two processes', () => {
  it.each(['api', 'log'])(
    'ask Redis no more about a subject that is denied, until it is reset (%s)',
    async (policy) => {
      const [one, other] = [await openProcess(), await openProcess()];
      const subject = randomUUID();
      await exhaust(one, policy, subject);
      await exhaust(other, policy, subject);

      const before = await scripts();
      for (let call = 0; call < 1_000; call++) {
        expect((await one.consume(policy, subject)).allowed).toBe(false);
        expect((await other.consume(policy, subject)).retryAfterMs).toBeGreaterThan(0);
      }
      // But for what processes tell of themselves now and then.
      expect((await scripts()) - before).toBeLessThan(20);

      await one.reset(policy, subject);
      await eventually('the other has heard of it', async () => (await other.consume(policy, subject)).allowed, 1_000);
      expect((await one.consume(policy, subject)).allowed).toBe(true);
    },
  );

  it('free a subject at once where another limit is given to it, or to all', async () => {
    const [one, other] = [await openProcess(), await openProcess()];
    const [subject, bystander] = [randomUUID(), randomUUID()];
    for (const name of [subject, bystander]) {
      await exhaust(one, 'log', name);
      await exhaust(other, 'log', name);
    }

    await one.override('log', { limit: 5 }, { subject, note: 'pays' });
    expect((await one.consume('log', subject)).allowed).toBe(true);
    await eventually('the other has heard of it', async () => (await other.consume('log', subject)).allowed, 1_000);
    expect((await other.consume('log', bystander)).allowed).toBe(false);
    expect(one.overrides()).toMatchObject([{ policy: 'log', subject, limit: 5, note: 'pays' }]);

    await other.override('log', { limit: 4 });
    await eventually('all have one more', async () => (await one.consume('log', bystander)).allowed, 1_000);
    await one.override('log', null);
    await one.override('log', null, { subject });
    await eventually('all is as before', () => other.overrides().length === 0, 1_000);
    expect(await other.peek('log', bystander)).toMatchObject({ allowed: false, policies: [{ limit: 3 }] });
  });

  it('give a wide network of IPv6 as many times the limit, and one that is named what was said', async () => {
    const [one, other] = [await openProcess(), await openProcess()];
    const [narrow, wide] = one.subjectsOf('2001:db8:77:1::5');
    expect([narrow, wide]).toEqual(['ip:2001:db8:77:1::/64', 'ip:2001:db8:77::/48']);

    const limits = async (limiter: RateLimiter): Promise<unknown[]> =>
      Promise.all([narrow, wide].map(async (subject) => (await limiter.peek('api', subject!)).policies[0]!.limit));
    expect(await limits(other)).toEqual([3, 48]);
    await one.override('api', { limit: 10 });
    await eventually('it is in force', async () => String(await limits(other)) === '10,160', 1_000);
    await one.override('api', { limit: 50 }, { subject: wide! });
    await eventually('it is in force', async () => String(await limits(other)) === '10,50', 1_000);
    await one.override('api', null);
    await one.override('api', null, { subject: wide! });
  });

  it('know who uses a policy most', async () => {
    const [one, other] = [await openProcess(), await openProcess()];
    const [much, less] = [randomUUID(), randomUUID()];
    await Promise.all([
      one.consume('tenant', much, { cost: 40 }),
      other.consume('tenant', much, { cost: 30 }),
      other.consume('tenant', less, { cost: 20 }),
    ]);

    await eventually('both have told', async () => (await other.top('tenant', 5))[0]?.taken === 30);
    await one.top('tenant', 1);
    expect(await other.top('tenant', 2)).toEqual([
      { subject: much, taken: 70, denied: 0 },
      { subject: less, taken: 20, denied: 0 },
    ]);
    await exhaust(one, 'api', much);
    expect(await one.top('api', 10)).toContainEqual({ subject: much, taken: 3, denied: 1 });
  });

  it('take units of a hot subject ahead, and admit no more than the limit together', async () => {
    const limiters = [await openProcess(), await openProcess()];
    const subject = randomUUID();

    const before = await scripts();
    let allowed = 0;
    const caller = async (limiter: RateLimiter): Promise<void> => {
      for (let call = 0; call < 400; call++) if ((await limiter.consume('tenant', subject)).allowed) allowed += 1;
    };
    await Promise.all(limiters.flatMap((limiter) => Array.from({ length: 20 }, () => caller(limiter))));

    expect(allowed).toBeLessThanOrEqual(10_000);
    expect(allowed).toBeGreaterThan(9_000);
    expect((await scripts()) - before).toBeLessThan(3_000);
  });

  it('stop to spend what one has taken ahead of a subject that another blocks', async () => {
    const [one, other] = [await openProcess(), await openProcess()];
    const subject = randomUUID();
    for (let call = 0; call < 300; call++) await other.consume('tenant', subject);

    await one.block('tenant', subject, '1h');
    await eventually('it is denied', async () => !(await other.consume('tenant', subject)).allowed, 1_000);
    expect((await one.consume('tenant', subject)).allowed).toBe(false);
  });

  it('see at once what they have given back themselves', async () => {
    const limiter = await openProcess();
    const subject = randomUUID();
    const reservation = await limiter.reserve('api', subject, { cost: 3 });
    for (let call = 0; call < 10; call++) expect((await limiter.consume('api', subject)).allowed).toBe(false);

    await reservation.cancel();
    expect((await limiter.consume('api', subject)).allowed).toBe(true);
  });

  it('keep a place as long as the call lasts, and lose it when the process dies', async () => {
    const [one, other] = [await openProcess(), await openProcess()];
    const subject = randomUUID();
    const held = await one.reserve('uploads', subject);
    expect(held.decision.allowed).toBe(true);

    const endsAt = performance.now() + 2_500;
    while (performance.now() < endsAt) {
      expect((await other.reserve('uploads', subject)).decision.allowed).toBe(false);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    // Its end is not told: as if it were killed.
    await open.shift()!.close();
    await eventually('the place is free', async () => (await other.peek('uploads', subject)).allowed, 1_500);
  });
});
