import { randomUUID } from 'node:crypto';
import type { INestApplicationContext, LoggerService } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { Redis } from 'ioredis';
import {
  fixedWindow,
  gcra,
  RateLimiter,
  RateLimitModule,
  slidingLog,
  slidingWindow,
  concurrency,
} from '@nuthatch/rate-limit';
import { RedisConnections, RedisModule, type RedisConnectionOptions } from '@nuthatch/redis';
import type { ServerConnection } from '@nuthatch/redis/internal';
import { RateLimitCore } from '../../libs/rate-limit/src/rate-limit-core.js';
import { RedisRateLimitDriver } from '../../libs/rate-limit/src/drivers/redis.driver.js';
import { startProxy, startStandalone, eventually } from '../harness/index.js';
import { sharedServers, untilUp, outcomeOf, openConnection, closeConnections } from '../redis/open-connection.js';

const silent: LoggerService = { log: () => undefined, warn: () => undefined, error: () => undefined };
const open: INestApplicationContext[] = [];
const policies = {
  five: gcra({ limit: 5, per: '15m' }),
  sw: slidingWindow({ limit: 5, per: '1h' }),
  log: slidingLog({ limit: 100, per: '1h' }),
  fw: fixedWindow({ limit: 5, per: '1h' }),
};
async function openProcess(connection: RedisConnectionOptions, options: object = {}) {
  const module = await Test.createTestingModule({
    imports: [
      RedisModule.forRoot({ connections: { default: connection } }),
      RateLimitModule.forRoot({ policies, redisTimeout: '2s', ...options }),
    ],
  })
    .setLogger(silent)
    .compile();
  open.push(module);
  await module.init();
  const server = module.get(RedisConnections).get() as ServerConnection;
  if ((connection as any).mode !== 'embedded') await untilUp(server);
  return { core: module.get(RateLimitCore), limiter: module.get(RateLimiter), server, module };
}
afterEach(async () => {
  await Promise.all(open.splice(0).map((app) => app.close()));
});
afterAll(closeConnections);
const say = (...args: unknown[]): void =>
  void process.stderr.write(args.map((a) => (typeof a === 'string' ? a : JSON.stringify(a))).join(' ') + '\n');
const many = async <T>(n: number, f: () => Promise<T>) => Promise.all(Array.from({ length: n }, f));
const allowed = (ds: { allowed: boolean }[]) => ds.filter((d) => d.allowed).length;
const shared = () => sharedServers().standalone;

it('T6 sw twins', async () => {
  for (const denyCache of [10000, false])
    for (const p of ['sw', 'fw']) {
      for (const mode of ['embedded', 'standalone'] as const) {
        const { limiter } = await openProcess(mode === 'embedded' ? { mode } : shared(), { denyCache });
        const s = randomUUID();
        const r = await limiter.reserve(p, s, { cost: 5 });
        await limiter.reset(p, s);
        const a = allowed(await many(6, () => limiter.consume(p, s)));
        await r.cancel();
        const peek = (await limiter.peek(p, s)).remaining;
        const b = allowed(await many(6, () => limiter.consume(p, s)));
        say('T6', mode, p, 'cache', denyCache, a, 'peek', peek, 'again', b);
      }
    }
  // own cancel visible at once?
  const { limiter } = await openProcess(shared());
  for (let i = 0; i < 3; i++) {
    const s = randomUUID();
    const r = await limiter.reserve('sw', s, { cost: 5 });
    const d1 = await limiter.consume('sw', s);
    await r.cancel();
    const d2 = await limiter.consume('sw', s);
    say('T6b own give-back: denied', !d1.allowed, 'after awaited cancel allowed', d2.allowed);
  }
});

it('T4b poison', async () => {
  const { limiter } = await openProcess(shared());
  const s = randomUUID();
  const rs = await many(100, () => limiter.reserve('log', s));
  for (const r of rs) await outcomeOf(r.commit(100));
  const bystander = randomUUID(),
    bystander2 = randomUUID();
  const [x, y, z] = await Promise.all([
    outcomeOf(limiter.consume('five', bystander)),
    outcomeOf(limiter.consume('log', s)),
    outcomeOf(limiter.consume('five', bystander2)),
  ]);
  say(
    'T4b bystander',
    String(x.error ?? 'ok'),
    'poisoned',
    String(y.error ?? 'ok'),
    'bystander2',
    String(z.error ?? 'ok'),
  );
  say(
    'T4b bystander charged',
    5 - (await limiter.peek('five', bystander)).remaining,
    5 - (await limiter.peek('five', bystander2)).remaining,
  );
  const s2 = randomUUID();
  // also: cancel ones
  const r2 = await outcomeOf(limiter.reset('log', s));
  say('T4b reset', String(r2.error ?? 'ok'), s2.length);
});

it('T7 BUSY', async () => {
  const server = await startStandalone({ args: ['--busy-reply-threshold', '50'] });
  const { limiter } = await openProcess({ mode: 'standalone', url: server.url }, { redisTimeout: '45ms' });
  const other = new Redis(server.url, { lazyConnect: false });
  await limiter.consume('five', 'a');
  const running = other.eval('while true do end', 0).catch((e: Error) => e.message);
  await new Promise((r) => setTimeout(r, 200));
  for (let i = 0; i < 6; i++) {
    const o = await outcomeOf(limiter.consume('five', 'b'));
    say('T7', String(o.error ?? JSON.stringify(o.value)).slice(0, 120), Math.round(o.tookMs));
    await new Promise((r) => setTimeout(r, 100));
  }
  const killer = new Redis(server.url, { enableReadyCheck: false });
  await killer.call('SCRIPT', 'KILL').catch((e: Error) => say('kill', e.message));
  await running;
  other.disconnect();
  killer.disconnect();
  await Promise.all(open.splice(0).map((app) => app.close()));
  await server.stop();
}, 30000);

it('T13 a lost reply and a slow server', async () => {
  const server = await startStandalone();
  const proxy = await startProxy(server);
  const { connection } = await openConnection({ mode: 'standalone', url: `redis://127.0.0.1:${proxy.port}` });
  await untilUp(connection);
  const driver = new RedisRateLimitDriver(connection, 300);
  const rule = { id: 1, kind: 'fixedWindow', limit: 10, perUs: 60e6, cost: 1, shadow: false } as const;
  const key = 'app:limit:{victim}';
  const admin = new Redis(server.url);
  await driver.decide([{ key: 'app:limit:{warm}', rules: [rule] }], 1);
  proxy.dropReply(1);
  // The server stands still right after it has run the first try.
  const call = outcomeOf(driver.decide([{ key, rules: [rule] }], 2));
  // stop the server shortly after
  await eventually('it was run', async () => (await admin.exists(key)) === 1);
  await admin.call('CLIENT', 'PAUSE', '700', 'ALL').catch((e: Error) => say('pause', e.message));
  const o = await call;
  say('T13 call', String(o.error ?? JSON.stringify(o.value)), Math.round(o.tookMs));
  await new Promise((r) => setTimeout(r, 1200));
  const d = await driver.peek([{ key, rules: [rule] }]);
  say('T13 charged for one call', 10 - d.verdicts[0]!.remaining);
  admin.disconnect();
  await closeConnections();
  await proxy.stop();
  await server.stop();
}, 20000);

it('T12 shortened fixed window', async () => {
  const { connection } = await openConnection(shared());
  await untilUp(connection);
  const driver = new RedisRateLimitDriver(connection, 2000);
  const long = { id: 1, kind: 'fixedWindow', limit: 3, perUs: 3600e6, cost: 1, shadow: false } as const;
  const short = { ...long, perUs: 1e6 } as const;
  const key = `app:limit:{${randomUUID()}}`;
  for (let i = 1; i < 5; i++) await driver.decide([{ key, rules: [long] }], i);
  const a = await driver.decide([{ key, rules: [short] }], 9);
  await new Promise((r) => setTimeout(r, 1100));
  const b = await driver.decide([{ key, rules: [short] }], 10);
  say('T12', a.verdicts[0], b.verdicts[0]);
});

it('T11 commit again', async () => {
  const { limiter, core } = await openProcess(shared());
  const s = randomUUID();
  const r = await limiter.reserve('log', s, { cost: 1 });
  const settle = core.driver.settle.bind(core.driver);
  (core.driver as any).settle = async () => {
    const { RedisTimeoutError } = await import('@nuthatch/redis');
    throw new (RedisTimeoutError as any)('default', 'evalsha', 45, 'not-executed');
  };
  const one = await outcomeOf(r.commit(50));
  (core.driver as any).settle = settle;
  const two = await outcomeOf(r.commit(50));
  say(
    'T11',
    String(one.error),
    '| again:',
    String(two.error ?? 'resolved'),
    'remaining',
    (await limiter.peek('log', s)).remaining,
  );
});
it('T18 options', () => {
  const tryIt = (p: any) => {
    try {
      RateLimitModule.forRoot({ policies: { p } });
      return 'ACCEPTED';
    } catch (e) {
      return (e as Error).message.slice(0, 200).replaceAll('\n', ' ');
    }
  };
  for (const [n, p] of Object.entries({
    block0: gcra({ limit: 1, per: '1m', block: '0s' as any }),
    blockObj: gcra({ limit: 1, per: '1m', block: {} as any }),
    blockBase0: gcra({ limit: 1, per: '1m', block: { base: '0s' as any } }),
    blockNull: gcra({ limit: 1, per: '1m', block: null as any }),
    blockNum: gcra({ limit: 1, per: '1m', block: 5 as any }),
    decay0: gcra({ limit: 1, per: '1m', block: { base: '1s', decay: '0s' as any } }),
    perNull: gcra({ limit: 1, per: null as any }),
    per0: gcra({ limit: 1, per: '0s' as any }),
    perFrac: gcra({ limit: 1, per: '1.5s' as any }),
    perMs: gcra({ limit: 5000, per: '1ms' as any }),
    limitNaN: gcra({ limit: NaN, per: '1m' }),
    limitInf: gcra({ limit: Infinity, per: '1m' }),
    limitStr: gcra({ limit: '5' as any, per: '1m' }),
    costFn: gcra({ limit: 5, per: '1m', cost: (() => 1) as any }),
    costNull: gcra({ limit: 5, per: '1m', cost: null as any }),
    burstNull: gcra({ limit: 5, per: '1m', burst: null as any }),
    log129: slidingLog({ limit: 129, per: '1h' }),
    logBig: slidingLog({ limit: 128, per: '1825d' }),
    fn: gcra({ limit: (() => 5) as any, per: '1m', cost: 9 }),
    conc: concurrency({ max: 1001 }),
    concFn: concurrency({ max: (() => 3) as any, lease: '500ms' as any }),
    byEmpty: gcra({ limit: 1, per: '1m', by: [] as any }),
    byNull: gcra({ limit: 1, per: '1m', by: null as any }),
    byNested: gcra({ limit: 1, per: '1m', by: ['ip', ['user']] as any }),
    whenBad: gcra({ limit: 1, per: '1m', when: 'x' as any }),
    burstFnAsLimit: gcra({ limit: 5, burst: (() => 5) as any, per: '1m' }),
    tbFn: { kind: 'tokenBucket', capacity: () => 5, refill: 5, per: '1m' } as any,
    tbRefillFn: { kind: 'tokenBucket', capacity: 5, refill: () => 5, per: '1m' } as any,
    headerInj: gcra({ limit: 1, per: '1m', by: 'header:x\n' as any }),
    byString: gcra({ limit: 1, per: '1m', by: new String('header:x') as any }),
  }))
    say('T18', n, tryIt(p));
});
