import { randomUUID } from 'node:crypto';
import type { INestApplicationContext, LoggerService } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { gcra, RateLimiter, RateLimitModule, slidingWindow, type RateLimitModuleOptions } from '@nuthatch/rate-limit';
import { RedisConnections, RedisModule, type RedisConnectionOptions } from '@nuthatch/redis';
import type { ServerConnection } from '@nuthatch/redis/internal';
import { eventually, startProxy, startStandalone, type RedisServer, type TcpProxy } from '../harness/index.js';
import { outcomeOf, sharedServers, untilUp } from '../redis/open-connection.js';

const silent: LoggerService = { log: () => undefined, warn: () => undefined, error: () => undefined };
const open: INestApplicationContext[] = [];
const policies = {
  api: gcra({ limit: 20, per: '1h' }),
  strict: slidingWindow({ limit: 8, per: '1h' }),
  login: gcra({ limit: 5, per: '15m', onOutage: 'closed' }),
  search: gcra({ limit: 1, per: '1h', onOutage: 'open' }),
};

async function openLimiter(
  connection: RedisConnectionOptions,
  options: Partial<RateLimitModuleOptions> = {},
): Promise<{ limiter: RateLimiter; server: ServerConnection }> {
  const module = await Test.createTestingModule({
    imports: [
      RedisModule.forRoot({ connections: { default: connection } }),
      RateLimitModule.forRoot({ policies, ...options }),
    ],
  })
    .setLogger(silent)
    .compile();
  open.push(module);
  await module.init();
  const server = module.get(RedisConnections).get() as ServerConnection;
  if (server.mode !== ('embedded' as string)) await untilUp(server);
  return { limiter: module.get(RateLimiter), server };
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((app) => app.close()));
});

/** How many of so many calls at once are allowed. */
async function allowedOf(count: number, call: () => Promise<{ allowed: boolean }>): Promise<number> {
  const decisions = await Promise.all(Array.from({ length: count }, call));
  return decisions.filter(({ allowed }) => allowed).length;
}

describe.each(['embedded', 'standalone', 'sentinel', 'cluster'] as const)('a limiter on %s', (mode) => {
  const connect = () => openLimiter(mode === 'embedded' ? { mode } : sharedServers()[mode], { redisTimeout: '2s' });

  it('charges all policies of a call or none', async () => {
    const { limiter } = await connect();
    const subject = randomUUID();

    expect(await allowedOf(15, () => limiter.consume(['api', 'strict'], subject))).toBe(8);
    const denied = await limiter.consume(['api', 'strict'], subject);

    expect(denied).toMatchObject({ allowed: false, violated: ['strict'], remaining: 0, shared: true });
    expect(denied.retryAfterMs).toBeGreaterThan(0);
    expect((await limiter.peek('api', subject)).remaining).toBe(12);
  });

  it('forgets, blocks and frees a subject', async () => {
    const { limiter } = await connect();
    const subject = randomUUID();
    await allowedOf(20, () => limiter.consume('api', subject));

    await limiter.reset('api', subject);
    expect(await limiter.consume('api', subject)).toMatchObject({ allowed: true, remaining: 19 });
    await limiter.block('api', subject, '1h');
    expect(await limiter.consume('api', subject)).toMatchObject({ allowed: false, violated: ['api'] });
    await limiter.unblock('api', subject);
    expect(await limiter.consume('api', subject)).toMatchObject({ allowed: true, remaining: 18 });
  });
});

describe('processes that share a limit', () => {
  it.each(['standalone', 'cluster'] as const)(
    'admit exactly the limit together, however many calls come at once (%s)',
    async (mode) => {
      const options = {
        redisTimeout: '10s' as const,
        policies: { hot: gcra({ limit: 500, per: '7d' }), window: slidingWindow({ limit: 300, per: '1h' }) },
      };
      const limiters = await Promise.all([1, 2, 3, 4].map(() => openLimiter(sharedServers()[mode], options)));
      const together = async (policy: string): Promise<number> => {
        const subject = randomUUID();
        const counts = await Promise.all(
          limiters.map(({ limiter }) => allowedOf(2_000, () => limiter.consume(policy, subject))),
        );
        return counts.reduce((sum, count) => sum + count);
      };

      expect(await together('hot')).toBe(500);
      expect(await together('window')).toBe(300);
    },
    60_000,
  );
});

describe('a limiter whose Redis fails', () => {
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

  const connect = (options: Partial<RateLimitModuleOptions> = {}) =>
    openLimiter({ mode: 'standalone', url: `redis://${proxy.host}:${proxy.port}` }, options);

  it('charges a call once whose reply was lost', async () => {
    const { limiter, server: connection } = await connect({ redisTimeout: '2s' });
    const subject = randomUUID();
    await limiter.consume('api', subject);

    for (let lost = 1; lost <= 3; lost++) {
      await untilUp(connection);
      proxy.dropReply(1);
      expect(await limiter.consume('api', subject)).toMatchObject({ allowed: true, shared: true });
    }

    expect((await limiter.peek('api', subject)).remaining).toBe(16);
  });

  it('goes on after SCRIPT FLUSH, and with something else under its key', async () => {
    const { limiter } = await connect({ redisTimeout: '2s' });
    await limiter.consume('api', 'one');
    await server.call('SCRIPT', 'FLUSH');
    expect(await limiter.consume('api', 'one')).toMatchObject({ allowed: true, remaining: 18, shared: true });

    await server.call('LPUSH', 'app:limit:{two}', 'x');
    await server.call('SET', 'app:limit:{three}', 'no state of ours');
    expect(await limiter.consume('api', 'two')).toMatchObject({ allowed: true, remaining: 19 });
    expect(await limiter.consume('api', 'three')).toMatchObject({ allowed: true, remaining: 19 });
    await server.call('SET', 'app:limit:{four}', 'no state of ours');
    await limiter.block('api', 'four', '1h');
    expect(await limiter.consume('api', 'four')).toMatchObject({ allowed: false, violated: ['api'] });
  });

  it('leaves no key without an end', async () => {
    const { limiter } = await connect({ redisTimeout: '2s' });
    await limiter.consume(['api', 'strict'], 'user');
    await limiter.block('strict', 'user', '10m');
    await limiter.reset('strict', 'user');
    await limiter.check('export', 3, '1m');

    const keys = (await server.call('KEYS', '*')) as string[];
    expect(keys.length).toBeGreaterThan(1);
    for (const key of keys) expect(Number(await server.call('PTTL', key))).toBeGreaterThan(0);
  });

  it.each(['killed', 'hung', 'silent'] as const)(
    'decides by itself within 50 ms while it is %s, as each policy wants, and by Redis again within a second of its return',
    async (fault) => {
      const { limiter, server: connection } = await connect({ onOutage: 'local' });
      const subject = randomUUID();
      await limiter.consume('api', subject);
      if (fault === 'killed') await server.kill();
      else if (fault === 'hung') server.pause();
      else proxy.blackhole();

      let allowed = 0;
      for (let call = 0; call < 40; call++) {
        const { value, tookMs } = await outcomeOf(limiter.consume('api', subject));
        if ((value as { allowed: boolean }).allowed) allowed += 1;
        expect(value).toMatchObject({ shared: false });
        expect(tookMs).toBeLessThan(100);
      }
      expect(allowed).toBe(20);
      for (let call = 0; call < 5; call++) {
        const asked = ['search', 'login'].map((policy) => outcomeOf(limiter.consume(policy, subject)));
        const [search, login] = await Promise.all(asked);
        expect(search!.value).toMatchObject({ allowed: true, shared: false });
        expect(login!.value).toMatchObject({ allowed: false, violated: ['login'], retryAfterMs: 1_000, shared: false });
        expect(Math.max(search!.tookMs, login!.tookMs)).toBeLessThan(100);
      }

      if (fault === 'killed') await server.restart();
      else if (fault === 'hung') server.resume();
      else proxy.heal();
      await untilUp(connection);
      const upAt = performance.now();
      await eventually('Redis decides', async () => (await limiter.peek('api', subject)).shared, 3_000);
      expect(performance.now() - upAt).toBeLessThan(1_000);
    },
    30_000,
  );

  it('takes a call to be denied that one of its policies denies, and charges it to none', async () => {
    const { limiter } = await connect();
    await server.kill();

    expect(await limiter.consume(['search', 'login', 'api'], 'a')).toMatchObject({
      allowed: false,
      violated: ['login'],
    });
    expect(await limiter.peek('api', 'a')).toMatchObject({ remaining: 20, shared: false });
  });

  it('gives back once what a reservation did not need, though the reply was lost', async () => {
    const { limiter, server: connection } = await connect({ redisTimeout: '2s' });
    const subject = randomUUID();
    const reservations = await Promise.all([1, 2, 3, 4].map(() => limiter.reserve('api', subject, { cost: 5 })));

    for (const reservation of reservations) {
      await untilUp(connection);
      proxy.dropReply(1);
      await reservation.commit(3);
    }

    expect((await limiter.peek('api', subject)).remaining).toBe(8);
  });
});
