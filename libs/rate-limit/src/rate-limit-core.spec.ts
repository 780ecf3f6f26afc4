import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';
import { MemoryRateLimitDriver } from './drivers/memory.driver.js';
import type { Charge, ConcurrencyRule, Decision, RateLimitDriver, Settlement } from './drivers/rate-limit-driver.js';
import type { Instances } from './instances.js';
import { createExtras } from './limit-extras.js';
import { gcra, fixedWindow, slidingLog, slidingWindow, type Policy } from './policies/policy.js';
import { RateLimitCore } from './rate-limit-core.js';
import { resolveRateLimitOptions, type RateLimitModuleOptions } from './rate-limit.options.js';
import { RateLimiter } from './rate-limiter.js';

const unreachable = (): Error => new RedisUnreachableError('default', 'it is not there', 'not-executed');

function replyError(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' });
}

/** A Redis that can be taken away, and what it was told. */
class FakeRedis implements RateLimitDriver {
  failure: Error | undefined;
  readonly operations: number[] = [];
  readonly #memory = new MemoryRateLimitDriver();

  async decide(charges: readonly Charge[], operation: number): Promise<Decision> {
    this.operations.push(operation);
    this.#fail();
    return this.#memory.decide(charges, operation);
  }

  async peek(charges: readonly Charge[]): Promise<Decision> {
    this.#fail();
    return this.#memory.peek(charges);
  }

  async settle(settlements: readonly Settlement[]): Promise<void> {
    this.#fail();
    await this.#memory.settle(settlements);
  }

  async renew(key: string, rule: ConcurrencyRule, operation: number): Promise<boolean> {
    this.#fail();
    return this.#memory.renew(key, rule, operation);
  }

  async reset(key: string, ids: readonly number[]): Promise<void> {
    this.#fail();
    await this.#memory.reset(key, ids);
  }

  async block(key: string, id: number, forUs: number): Promise<void> {
    this.#fail();
    await this.#memory.block(key, id, forUs);
  }

  #fail(): void {
    if (this.failure) throw this.failure;
  }
}

function open(
  policies: Record<string, Policy>,
  { processes = 1, ...options }: Partial<RateLimitModuleOptions> & { processes?: number } = {},
): { limiter: RateLimiter; redis: FakeRedis } {
  const redis = new FakeRedis();
  const instances = { count: processes } as Instances;
  const resolved = resolveRateLimitOptions({ policies, ...options });
  const core = new RateLimitCore(redis, resolved, 'app:limit:', instances, createExtras(resolved));
  return { limiter: new RateLimiter(core), redis };
}

/** How many of so many calls in a row are allowed. */
async function allowedOf(count: number, limiter: RateLimiter, policy: string, subject = 'user'): Promise<number> {
  let allowed = 0;
  for (let call = 0; call < count; call++) if ((await limiter.consume(policy, subject)).allowed) allowed += 1;
  return allowed;
}

const hourly: [string, Policy][] = [
  ['gcra', gcra({ limit: 40, per: '1h' })],
  ['slidingWindow', slidingWindow({ limit: 40, per: '1h' })],
  ['slidingLog', slidingLog({ limit: 40, per: '1h' })],
  ['fixedWindow', fixedWindow({ limit: 40, per: '1h' })],
];

describe('A limit while Redis is away', () => {
  it.each(hourly)('is given by one of four processes to a quarter (%s)', async (_, policy) => {
    const { limiter, redis } = open({ api: policy }, { processes: 4 });
    redis.failure = unreachable();

    expect(await limiter.consume('api', 'user')).toMatchObject({ allowed: true, remaining: 9, shared: false });
    expect(await allowedOf(50, limiter, 'api')).toBe(9);
    const denied = await limiter.consume('api', 'user');

    expect(denied).toMatchObject({ allowed: false, violated: ['api'], remaining: 0, shared: false });
    expect(denied.retryAfterMs).toBeGreaterThan(0);
    expect(await allowedOf(50, limiter, 'api', 'other')).toBe(10);
  });

  it('is given whole by the only process', async () => {
    const { limiter, redis } = open({ api: gcra({ limit: 40, per: '1h' }) });
    redis.failure = unreachable();

    expect(await allowedOf(50, limiter, 'api')).toBe(40);
  });

  it('is not counted by a look at it', async () => {
    const { limiter, redis } = open({ api: gcra({ limit: 2, per: '1h' }) });
    redis.failure = unreachable();

    for (let look = 0; look < 5; look++)
      expect(await limiter.peek('api', 'user')).toMatchObject({ allowed: true, remaining: 2, shared: false });
    expect(await allowedOf(5, limiter, 'api')).toBe(2);
  });

  it('is charged for all policies or for none', async () => {
    const { limiter, redis } = open({ wide: gcra({ limit: 10, per: '1h' }), narrow: gcra({ limit: 2, per: '1h' }) });
    redis.failure = unreachable();

    for (let call = 0; call < 5; call++) await limiter.consume(['wide', 'narrow'], 'user');

    expect((await limiter.peek('wide', 'user')).remaining).toBe(8);
  });

  it('is open where the policy wants that', async () => {
    const { limiter, redis } = open({ search: gcra({ limit: 2, per: '1h', onOutage: 'open' }) }, { processes: 4 });
    redis.failure = unreachable();

    expect(await allowedOf(50, limiter, 'search')).toBe(50);
    expect(await limiter.consume('search', 'user')).toMatchObject({
      allowed: true,
      remaining: 2,
      retryAfterMs: 0,
      violated: [],
      shared: false,
    });
  });

  it('is closed where the policy wants that, and says when to ask again', async () => {
    const { limiter, redis } = open({ login: gcra({ limit: 5, per: '15m' }) }, { onOutage: 'closed' });
    redis.failure = unreachable();

    expect(await limiter.consume('login', 'user')).toMatchObject({
      allowed: false,
      remaining: 0,
      retryAfterMs: 1_000,
      violated: ['login'],
      policies: [{ name: 'login', limit: 5, remaining: 0, resetMs: 1_000 }],
      shared: false,
    });
    expect((await limiter.peek('login', 'user')).allowed).toBe(false);
    expect((await limiter.check('export:1', 5, '1h')).allowed).toBe(false);
  });

  it('is not charged when another policy of the call is closed', async () => {
    const { limiter, redis } = open({
      search: gcra({ limit: 1, per: '1h', onOutage: 'open' }),
      login: gcra({ limit: 5, per: '1h', onOutage: 'closed' }),
      api: gcra({ limit: 20, per: '1h' }),
    });
    redis.failure = unreachable();

    const decision = await limiter.consume(['search', 'login', 'api'], 'user');

    expect(decision).toMatchObject({ allowed: false, violated: ['login'], remaining: 0 });
    expect(decision.policies.map(({ name, remaining }) => [name, remaining])).toEqual([
      ['search', 1],
      ['login', 0],
      ['api', 20],
    ]);
    expect((await limiter.peek('api', 'user')).remaining).toBe(20);
  });

  it('is decided by the policies that are local where the others are open', async () => {
    const { limiter, redis } = open({
      search: gcra({ limit: 1, per: '1h', onOutage: 'open' }),
      api: gcra({ limit: 3, per: '1h' }),
    });
    redis.failure = unreachable();

    for (let call = 0; call < 3; call++)
      expect(await limiter.consume(['search', 'api'], 'user')).toMatchObject({
        allowed: true,
        remaining: Math.min(1, 2 - call),
      });
    expect(await limiter.consume(['search', 'api'], 'user')).toMatchObject({ allowed: false, violated: ['api'] });
  });

  it('denies nothing in the shadow, though it is reported', async () => {
    const { limiter, redis } = open({
      shadow: gcra({ limit: 1, per: '1h', onOutage: 'closed', mode: 'shadow' }),
      api: gcra({ limit: 3, per: '1h' }),
    });
    redis.failure = unreachable();

    expect(await limiter.consume(['shadow', 'api'], 'user')).toMatchObject({
      allowed: true,
      remaining: 2,
      retryAfterMs: 0,
      violated: ['shadow'],
    });
  });

  it('is blocked, freed and reset in this process, and the caller hears that Redis does not know of it', async () => {
    const { limiter, redis } = open({ api: gcra({ limit: 3, per: '1h' }) });
    redis.failure = unreachable();
    expect(await allowedOf(5, limiter, 'api')).toBe(3);

    await expect(limiter.reset('api', 'user')).rejects.toThrow(RedisUnreachableError);
    expect((await limiter.peek('api', 'user')).remaining).toBe(3);
    await expect(limiter.block('api', 'user', '1h')).rejects.toThrow(RedisUnreachableError);
    expect((await limiter.consume('api', 'user')).allowed).toBe(false);
    await expect(limiter.unblock('api', 'user')).rejects.toThrow(RedisUnreachableError);
    expect((await limiter.consume('api', 'user')).allowed).toBe(true);
  });
});

describe('A limit once Redis is back', () => {
  let passedMs = 0;

  beforeEach(() => {
    passedMs = 0;
    const startedAt = performance.now();
    jest.spyOn(performance, 'now').mockImplementation(() => startedAt + passedMs);
  });
  afterEach(() => void jest.restoreAllMocks());

  it('is that of Redis again, and what was given meanwhile is forgotten', async () => {
    const { limiter, redis } = open({ api: gcra({ limit: 5, per: '1h' }) });
    await limiter.consume('api', 'user');

    redis.failure = unreachable();
    expect(await allowedOf(9, limiter, 'api')).toBe(5);
    redis.failure = undefined;

    expect(await limiter.consume('api', 'user')).toMatchObject({ allowed: true, remaining: 3, shared: true });
    passedMs += 10_001;
    redis.failure = unreachable();
    expect(await allowedOf(9, limiter, 'api')).toBe(5);
  });

  it('is not given anew each time that Redis answers in between', async () => {
    const { limiter, redis } = open({ api: gcra({ limit: 20, per: '1h' }) }, { processes: 4 });
    let alone = 0;

    for (let round = 0; round < 10; round++) {
      redis.failure = unreachable();
      alone += await allowedOf(2, limiter, 'api');
      redis.failure = undefined;
      await limiter.consume('api', 'other');
      passedMs += 5_000;
    }

    expect(alone).toBe(5);
  });

  it('is not blocked in the next outage by a block of the time before', async () => {
    const { limiter, redis } = open({ api: gcra({ limit: 5, per: '1h' }) });
    await limiter.block('api', 'user', '1h');
    expect((await limiter.consume('api', 'user')).allowed).toBe(false);

    redis.failure = unreachable();

    expect((await limiter.consume('api', 'user')).allowed).toBe(true);
  });
});

describe('What counts as Redis being away', () => {
  it.each([
    ['no connection', unreachable()],
    ['no answer in time', new RedisTimeoutError('default', 'evalsha', 45, 'unknown')],
    ['a server that loads', replyError('LOADING Redis is loading the dataset in memory')],
    ['a server that runs a script of somebody', replyError('BUSY Redis is busy running a script.')],
    ['a replica without its master', replyError('MASTERDOWN Link with MASTER is down')],
    ['a cluster with a hole', replyError('CLUSTERDOWN Hash slot not served')],
    ['a slot that moves', replyError('TRYAGAIN Multiple keys request during rehashing of slot')],
    ['a server that takes no writes', replyError("READONLY You can't write against a read only replica.")],
    ['a disk that is full', replyError('MISCONF Redis is configured to save RDB snapshots')],
    ['replicas that are missing', replyError('NOREPLICAS Not enough good replicas to write.')],
    ['a memory that is full', replyError("OOM command not allowed when used memory > 'maxmemory'.")],
  ])('is %s', async (_, failure) => {
    const { limiter, redis } = open({ api: gcra({ limit: 5, per: '1h' }) });
    redis.failure = failure;

    expect(await limiter.consume('api', 'user')).toMatchObject({ allowed: true, shared: false });
    expect(await limiter.peek('api', 'user')).toMatchObject({ allowed: true, shared: false });
  });

  it.each([
    ['a mistake in a script', replyError('ERR user_script:1: attempt to index a nil value')],
    ['a user without the right', replyError('NOPERM this user has no permissions to run the command')],
    ['a mistake of ours', new TypeError('x is not a function')],
    ['words of an outage that no server said', new Error('LOADING Redis is loading the dataset in memory')],
  ])('is not %s, of which the caller hears', async (_, failure) => {
    const { limiter, redis } = open({ api: gcra({ limit: 5, per: '1h', onOutage: 'open' }) });
    redis.failure = failure;

    await expect(limiter.consume('api', 'user')).rejects.toBe(failure);
    await expect(limiter.peek('api', 'user')).rejects.toBe(failure);
  });
});

describe('The number of a call', () => {
  it('is above 0, below 2^32, and another for each', async () => {
    const { limiter, redis } = open({ api: gcra({ limit: 1_000, per: '1h' }) });

    await allowedOf(100, limiter, 'api');

    expect(new Set(redis.operations).size).toBe(100);
    expect(redis.operations.every((number) => Number.isInteger(number) && number > 0 && number < 2 ** 32)).toBe(true);
  });
});

describe('A reservation', () => {
  it('that could not be committed can be committed again, and counts once', async () => {
    const { limiter, redis } = open({ api: gcra({ limit: 10, per: '1h' }) });
    const reservation = await limiter.reserve('api', 'user', { cost: 2 });

    redis.failure = unreachable();
    await expect(reservation.commit(6)).rejects.toThrow('not there');
    redis.failure = undefined;
    await reservation.commit(6);
    await reservation.commit(6);

    expect((await limiter.peek('api', 'user')).remaining).toBe(4);
  });
});

describe('A call without a subject', () => {
  it('is told so, also where a long subject has a limit of its own', async () => {
    const { limiter } = open({ api: gcra({ limit: 10, per: '1h' }) });
    await limiter.override('api', { limit: 20 }, { subject: 'x'.repeat(200) });

    await expect(limiter.consume('api', undefined as never)).rejects.toMatchObject({ code: 'RATE_LIMIT_CALL' });
  });
});
