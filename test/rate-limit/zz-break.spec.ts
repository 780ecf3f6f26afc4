import { randomUUID } from 'node:crypto';
import type { INestApplicationContext, LoggerService } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  calendar,
  fixedWindow,
  gcra,
  RateLimiter,
  RateLimitModule,
  slidingLog,
  slidingWindow,
  tokenBucket,
} from '@nuthatch/rate-limit';
import { RedisConnections, RedisModule } from '@nuthatch/redis';
import type { ServerConnection } from '@nuthatch/redis/internal';
import { RateLimitCore } from '../../libs/rate-limit/src/rate-limit-core.js';
import { RedisRateLimitDriver } from '../../libs/rate-limit/src/drivers/redis.driver.js';
import { sharedServers, untilUp, outcomeOf } from '../redis/open-connection.js';

const silent: LoggerService = { log: () => undefined, warn: () => undefined, error: () => undefined };
const open: INestApplicationContext[] = [];
const policies = {
  burst: gcra({ limit: 100, per: '1m', burst: 100 }),
  slow: gcra({ limit: 10, per: '1h', burst: 10 }),
  bucket: tokenBucket({ capacity: 100, refill: 100, per: '1h' }),
  five: gcra({ limit: 5, per: '15m' }),
  sw: slidingWindow({ limit: 5, per: '1h' }),
  log: slidingLog({ limit: 100, per: '1h' }),
  bytes: fixedWindow({ limit: 100_000_000, per: '1d' }),
  bytesSw: slidingWindow({ limit: 100_000_000, per: '1d' }),
  bytesCal: calendar({ limit: 1_000_000_000, unit: 'year' }),
  debt: gcra({ limit: 10, per: '1m' }),
};
async function openProcess(mode: 'embedded' | 'standalone' | 'cluster') {
  const connection = mode === 'embedded' ? { mode } : sharedServers()[mode];
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
  const server = module.get(RedisConnections).get() as ServerConnection;
  if (mode !== 'embedded') await untilUp(server);
  return { core: module.get(RateLimitCore), limiter: module.get(RateLimiter), server };
}
afterEach(async () => {
  await Promise.all(open.splice(0).map((app) => app.close()));
});
const say = (...args: unknown[]): void =>
  void process.stderr.write(args.map((a) => (typeof a === 'string' ? a : JSON.stringify(a))).join(' ') + '\n');
const many = async <T>(n: number, f: () => Promise<T>) => Promise.all(Array.from({ length: n }, f));
const allowed = (ds: { allowed: boolean }[]) => ds.filter((d) => d.allowed).length;

describe.each(['embedded', 'standalone'] as const)('on %s', (mode) => {
  it('T1 lowered limit with burst', async () => {
    const { limiter } = await openProcess(mode);
    const s = randomUUID();
    const a = allowed(await many(120, () => limiter.consume('burst', s)));
    await limiter.override('burst', { limit: 10 });
    const b = allowed(await many(120, () => limiter.consume('burst', s)));
    await limiter.override('burst', null);
    say(mode, 'T1 before', a, 'after lowering to 10/min', b);
  });
  it('T2 raised limit with burst', async () => {
    const { limiter } = await openProcess(mode);
    const s = randomUUID();
    await many(12, () => limiter.consume('slow', s));
    await limiter.override('slow', { limit: 1000 });
    const d = await limiter.consume('slow', s);
    await new Promise((r) => setTimeout(r, d.retryAfterMs + 100));
    const e = await limiter.consume('slow', s);
    await limiter.override('slow', null);
    say(mode, 'T2 after raise', d.allowed, d.retryAfterMs, 'after waiting', e.allowed, e.retryAfterMs);
  }, 20000);
  it('T3 tokenBucket lowered', async () => {
    const { limiter } = await openProcess(mode);
    const s = randomUUID();
    await many(100, () => limiter.consume('bucket', s));
    await limiter.override('bucket', { limit: 1 });
    const d = await limiter.consume('bucket', s);
    const core = await limiter.peek('bucket', s);
    await limiter.override('bucket', null);
    const real = await limiter.peek('bucket', s);
    say(mode, 'T3', d.retryAfterMs, core.retryAfterMs, 'reset said', d.policies, real.policies);
  });
  it('T3b debt', async () => {
    const { limiter } = await openProcess(mode);
    const s = randomUUID();
    const rs = await many(5, () => limiter.reserve('debt', s));
    await Promise.all(rs.map((r) => r.commit(10)));
    const d = await limiter.consume('debt', s);
    await new Promise((r) => setTimeout(r, d.retryAfterMs + 50));
    const e = await limiter.consume('debt', s);
    say(mode, 'T3b debt', d.retryAfterMs, 'after waiting', e.allowed, e.retryAfterMs);
  }, 20000);
  it('T4 log overflow', async () => {
    for (const n of [75, 80, 90, 100]) {
      const { limiter } = await openProcess(mode);
      const s = randomUUID();
      const five = await many(6, () => limiter.consume(['five', 'sw'], s));
      const rs = await many(n, () => limiter.reserve('log', s));
      const before = await limiter.peek('five', s);
      const commits = await Promise.all(rs.map((r) => outcomeOf(r.commit(100))));
      const errors = new Set(commits.filter((c) => c.error).map((c) => c.error!.message));
      const out = await outcomeOf(limiter.peek('log', s));
      const f = await outcomeOf(limiter.consume('five', s));
      const g = await outcomeOf(limiter.consume('sw', s));
      say(
        mode,
        'T4',
        n,
        'five',
        allowed(five),
        before.remaining,
        [...errors],
        'log peek',
        (out.value as any)?.remaining ?? String(out.error),
        'five after',
        (f.value as any)?.allowed ?? String(f.error),
        'sw after',
        (g.value as any)?.allowed ?? String(g.error),
      );
    }
  }, 30000);
  it('T5 count wraps', async () => {
    const { limiter } = await openProcess(mode);
    for (const p of ['bytes', 'bytesSw', 'bytesCal']) {
      const s = randomUUID();
      const n = p === 'bytesCal' ? 5 : 43;
      const rs = await many(n, () => limiter.reserve(p, s));
      for (const r of rs) await r.commit(1_000_000_000);
      const d = await limiter.consume(p, s, { cost: 1_000_000 });
      say(mode, 'T5', p, d.allowed, d.remaining);
    }
  }, 20000);
  it('T6 reset then cancel', async () => {
    for (const p of ['five', 'sw', 'log']) {
      const { limiter } = await openProcess(mode);
      const s = randomUUID();
      const r = await limiter.reserve(p, s, { cost: 5 });
      await limiter.reset(p, s);
      const n = p === 'log' ? 100 : 5;
      const a = allowed(await many(n + 1, () => limiter.consume(p, s)));
      await r.cancel();
      const b = allowed(await many(n + 1, () => limiter.consume(p, s)));
      say(mode, 'T6', p, 'after reset', a, 'after cancel', b);
    }
  });
  it('T8 undefined subject with a digest override', async () => {
    const { limiter } = await openProcess(mode);
    const before = await outcomeOf(limiter.consume('five', undefined as never));
    const before2 = await outcomeOf(limiter.consume('five', 42 as never));
    await limiter.override('five', { limit: 9 }, { subject: 'x'.repeat(500) });
    const after = await outcomeOf(limiter.consume('five', undefined as never));
    const after2 = await outcomeOf(limiter.consume('five', 42 as never));
    await limiter.override('five', null, { subject: 'x'.repeat(500) });
    say(
      mode,
      'T8',
      String(before.error),
      '|',
      String(before2.error),
      '|',
      String(after.error),
      '|',
      String(after2.error),
    );
  });
  it('T9 two checks on a key', async () => {
    const { limiter } = await openProcess(mode);
    const s = randomUUID();
    await limiter.check(s, 1000, '1d');
    const d = await limiter.check(s, 10, '1s');
    say(mode, 'T9 first check 10/1s', d);
    const t = randomUUID();
    await many(5, () => limiter.check(t, 5, '1m'));
    const e = await many(6, () => limiter.check(t, 5, '15m'));
    say(mode, 'T9 5/15m after 5/1m exhausted', allowed(e));
  });
  it('T17 admit none', async () => {
    const { core } = await openProcess(mode);
    const o = await outcomeOf(core.admit([]));
    say(mode, 'T17', String(o.error), o.value ? JSON.stringify((o.value as any).decision) : '');
  });
});
it('T10 peek across slots', async () => {
  const { server } = await openProcess('cluster');
  const driver = new RedisRateLimitDriver(server, 2000);
  const rule = { id: 1, kind: 'fixedWindow', limit: 10, perUs: 60e6, cost: 1, shadow: false } as const;
  const [a, b] = [`app:limit:{${randomUUID()}}`, `app:limit:{${randomUUID()}}`];
  for (let i = 0; i < 10; i++) await driver.decide([{ key: a, rules: [rule] }], i + 1);
  const d = await driver.peek([
    { key: a, rules: [rule] },
    { key: b, rules: [rule] },
  ]);
  say('T10 cluster peek', d);
});
