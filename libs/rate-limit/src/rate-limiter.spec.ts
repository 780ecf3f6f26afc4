import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Test, type TestingModule } from '@nestjs/testing';
import type { Duration } from '@nuthatch/redis';
import { RedisModule } from '@nuthatch/redis';
import { fixedWindow, gcra, slidingLog, slidingWindow, tokenBucket } from './policies/policy.js';
import { RateLimitCallError, RateLimitCostError, RateLimitOptionsError } from './rate-limit.errors.js';
import { RateLimitModule } from './rate-limit.module.js';
import { RateLimiter } from './rate-limiter.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const START = Date.UTC(2026, 10, 1);

let now: number;
let app: TestingModule;
let limiter: RateLimiter;

beforeEach(async () => {
  now = START;
  // Half a microsecond, so that it is rounded to the millisecond that is meant.
  jest.spyOn(performance, 'now').mockImplementation(() => now + 0.0005 - performance.timeOrigin);
  app = await Test.createTestingModule({
    imports: [
      RedisModule.forRoot(),
      RateLimitModule.forRoot({
        policies: {
          api: gcra({ limit: 60, per: '1h', burst: 5 }),
          upload: tokenBucket({ capacity: 100, refill: 10, per: '1m' }),
          login: fixedWindow({ limit: 3, per: '15m' }),
          search: slidingWindow({ limit: 4, per: '10m' }),
          sms: slidingLog({ limit: 2, per: '1h' }),
          report: gcra({ limit: 10, per: '1h', cost: 4 }),
          trial: gcra({ limit: 1, per: '2h', mode: 'shadow' }),
        },
      }),
    ],
  }).compile();
  await app.init();
  limiter = app.get(RateLimiter);
});

afterEach(async () => {
  jest.restoreAllMocks();
  await app.close();
});

/** How many of so many calls in a row are allowed. */
async function allowedOf(count: number, policies: string | string[], subject = 'user:42'): Promise<number> {
  let allowed = 0;
  for (let call = 0; call < count; call++) if ((await limiter.consume(policies, subject)).allowed) allowed += 1;
  return allowed;
}

describe('RateLimiter.consume()', () => {
  it('says what is left, and when all of it is back', async () => {
    expect(await limiter.consume('api', 'user:42')).toEqual({
      allowed: true,
      remaining: 4,
      retryAfterMs: 0,
      resetAt: new Date(START + MINUTE),
      violated: [],
      policies: [{ name: 'api', limit: 60, remaining: 4, resetMs: MINUTE, denies: false }],
      shared: true,
    });
  });

  it('says of a denial who denies it, and when to come again', async () => {
    await allowedOf(5, 'api');
    now += 15_000;

    expect(await limiter.consume('api', 'user:42')).toEqual({
      allowed: false,
      remaining: 0,
      retryAfterMs: 45_000,
      resetAt: new Date(START + 5 * MINUTE),
      violated: ['api'],
      policies: [{ name: 'api', limit: 60, remaining: 0, resetMs: 5 * MINUTE - 15_000, denies: true }],
      shared: true,
    });
  });

  it.each(['api', 'upload', 'login', 'search', 'sms', 'report'])(
    'allows the call after retryAfterMs, and not a millisecond before: %s',
    async (policy) => {
      await allowedOf(200, policy);
      const { retryAfterMs } = await limiter.consume(policy, 'user:42');
      expect(retryAfterMs).toBeGreaterThan(1);

      now += retryAfterMs - 1;
      expect((await limiter.peek(policy, 'user:42')).allowed).toBe(false);
      now += 1;
      expect((await limiter.consume(policy, 'user:42')).allowed).toBe(true);
    },
  );

  it.each([
    ['api', 5],
    ['upload', 100],
    ['login', 3],
    ['search', 4],
    ['sms', 2],
  ])('gives everything again at resetAt: %s', async (policy, most) => {
    expect(await allowedOf(200, policy)).toBe(most);
    const { resetAt } = await limiter.peek(policy, 'user:42');

    now = resetAt.getTime();

    expect(await limiter.peek(policy, 'user:42')).toMatchObject({ remaining: most, resetAt });
  });

  it('takes what the call costs, or what the policy says', async () => {
    expect((await limiter.consume('upload', 'user:42', { cost: 60 })).remaining).toBe(40);
    expect(await limiter.consume('upload', 'user:42', { cost: 41 })).toMatchObject({
      allowed: false,
      retryAfterMs: 6_000,
    });
    expect((await limiter.consume('upload', 'user:42', { cost: 40 })).remaining).toBe(0);
    expect((await limiter.consume('report', 'user:42')).remaining).toBe(6);
    expect((await limiter.consume('report', 'user:42', { cost: 1 })).remaining).toBe(5);
  });

  it('charges all policies of a call, or none when one denies it', async () => {
    expect(await allowedOf(5, ['api', 'sms'])).toBe(2);

    const denied = await limiter.consume(['api', 'sms'], 'user:42');

    expect(denied).toMatchObject({ allowed: false, remaining: 0, retryAfterMs: HOUR, violated: ['sms'] });
    expect(denied.resetAt).toEqual(new Date(START + HOUR));
    expect(denied.policies).toEqual([
      { name: 'api', limit: 60, remaining: 3, resetMs: 2 * MINUTE, denies: false },
      { name: 'sms', limit: 2, remaining: 0, resetMs: HOUR, denies: true },
    ]);
  });

  it('waits for the slowest of the policies that deny it', async () => {
    await allowedOf(3, 'login');
    await allowedOf(2, 'sms');

    expect(await limiter.consume(['login', 'sms', 'api'], 'user:42')).toMatchObject({
      violated: ['login', 'sms'],
      retryAfterMs: HOUR,
    });
  });

  it('charges a policy that is named twice once', async () => {
    expect((await limiter.consume(['api', 'api'], 'user:42')).policies).toMatchObject([{ name: 'api', remaining: 4 }]);
  });

  it('is not denied by a policy in the shadow, which is reported', async () => {
    expect((await limiter.consume(['trial', 'api'], 'user:42')).violated).toEqual([]);

    expect(await limiter.consume(['trial', 'api'], 'user:42')).toMatchObject({
      allowed: true,
      remaining: 3,
      retryAfterMs: 0,
      violated: ['trial'],
      policies: [
        { name: 'trial', remaining: 0, resetMs: 2 * HOUR },
        { name: 'api', remaining: 3 },
      ],
    });
    expect(await allowedOf(10, 'trial')).toBe(10);
  });

  it('keeps subjects and policies apart', async () => {
    expect(await allowedOf(9, 'login', 'a')).toBe(3);
    expect(await allowedOf(9, 'login', 'b')).toBe(3);
    expect(await allowedOf(9, 'sms', 'a')).toBe(2);
  });

  it('admits no more when calls come at once', async () => {
    const calls = Array.from({ length: 50 }, () => limiter.consume('login', 'user:42'));

    expect((await Promise.all(calls)).filter(({ allowed }) => allowed)).toHaveLength(3);
  });
});

describe('A call that makes no sense', () => {
  it('names the policies that there are', async () => {
    const message = /^There is no policy "logn"\. There are: api, upload, login, /;

    await expect(limiter.consume('logn', 'user:42')).rejects.toThrow(RateLimitCallError);
    await expect(limiter.consume(['api', 'logn'], 'user:42')).rejects.toThrow(message);
    await expect(limiter.peek('logn', 'user:42')).rejects.toThrow(message);
    await expect(limiter.reset('logn', 'user:42')).rejects.toThrow(message);
    await expect(limiter.block('logn', 'user:42', '1h')).rejects.toThrow(message);
    await expect(limiter.unblock('logn', 'user:42')).rejects.toThrow(message);
    await expect(limiter.consume('constructor', 'user:42')).rejects.toThrow(RateLimitCallError);
    expect((await limiter.peek('api', 'user:42')).remaining).toBe(5);
  });

  it('names no policy', async () => {
    await expect(limiter.consume([], 'user:42')).rejects.toThrow(
      'No policy is named. Name at least one of the options.',
    );
  });

  it('has no subject', async () => {
    const message = 'The subject of a rate limit is empty. Give who is limited, such as "user:42".';

    for (const call of [
      () => limiter.consume('api', ''),
      () => limiter.peek('api', ''),
      () => limiter.check('', 1, '1h'),
      () => limiter.reset('api', ''),
      () => limiter.block('api', '', '1h'),
      () => limiter.unblock('api', ''),
    ])
      await expect(call()).rejects.toThrow(new RateLimitCallError(message));
    await expect(limiter.consume('api', undefined as unknown as string)).rejects.toThrow(RateLimitCallError);
  });

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '2' as unknown as number])('costs %p', async (cost) => {
    const message = `The cost of a call is ${cost}. Give a whole number of 1 or more.`;

    await expect(limiter.consume('api', 'user:42', { cost })).rejects.toThrow(new RateLimitCallError(message));
  });

  it('costs more than there could ever be, which no waiting helps', async () => {
    await expect(limiter.consume('api', 'user:42', { cost: 6 })).rejects.toMatchObject({
      name: 'RateLimitCostError',
      code: 'RATE_LIMIT_COST',
      policy: 'api',
      cost: 6,
      capacity: 5,
    });
    await expect(limiter.peek('login', 'user:42', { cost: 4 })).rejects.toThrow(RateLimitCostError);
    await expect(limiter.consume(['upload', 'sms'], 'user:42', { cost: 3 })).rejects.toThrow(/the policy "sms"/);
    expect((await limiter.peek('upload', 'user:42')).remaining).toBe(100);
  });
});

describe('RateLimiter.peek()', () => {
  it('says what consume would say, and charges nothing', async () => {
    for (let look = 0; look < 5; look++)
      expect(await limiter.peek('sms', 'user:42')).toMatchObject({
        allowed: true,
        remaining: 2,
        resetAt: new Date(START),
      });
    await allowedOf(2, 'sms');

    expect(await limiter.peek('sms', 'user:42')).toEqual(await limiter.consume('sms', 'user:42'));
  });

  it('knows whether a call of that cost would be allowed', async () => {
    await limiter.consume('upload', 'user:42', { cost: 60 });

    expect((await limiter.peek('upload', 'user:42', { cost: 40 })).allowed).toBe(true);
    expect(await limiter.peek('upload', 'user:42', { cost: 50 })).toMatchObject({
      allowed: false,
      retryAfterMs: MINUTE,
    });
  });
});

describe('RateLimiter.check()', () => {
  it('limits without a policy', async () => {
    expect(await limiter.check('export:42', 2, '1h')).toEqual({
      allowed: true,
      remaining: 1,
      resetAt: new Date(START + 30 * MINUTE),
    });
    expect((await limiter.check('export:42', 2, '1h')).remaining).toBe(0);
    expect(await limiter.check('export:42', 2, '1h')).toEqual({
      allowed: false,
      remaining: 0,
      resetAt: new Date(START + HOUR),
    });
    expect((await limiter.check('export:43', 2, '1h')).allowed).toBe(true);
    now += 30 * MINUTE;
    expect((await limiter.check('export:42', 2, '1h')).allowed).toBe(true);
  });

  it('does not charge the policies of the same subject', async () => {
    await limiter.check('user:42', 2, '1h');

    expect((await limiter.peek(['api', 'trial'], 'user:42')).policies.map(({ remaining }) => remaining)).toEqual([
      5, 1,
    ]);
  });

  it('takes any number of limits', async () => {
    for (let limit = 1; limit <= 1_500; limit++)
      expect((await limiter.check(`key-${limit}`, limit, '1h')).remaining).toBe(limit - 1);
    expect((await limiter.check('key-2', 2, '1h')).remaining).toBe(0);
  });

  it.each<[unknown, unknown]>([
    [0, '1h'],
    [-1, '1h'],
    [1.5, '1h'],
    [Number.NaN, '1h'],
    [undefined, '1h'],
    [5, 60],
    [5, '60'],
    [5, undefined],
    [1_001, '1ms'],
  ])('refuses %p in %p', async (limit, per) => {
    await expect(limiter.check('export:42', limit as number, per as Duration)).rejects.toThrow(RateLimitOptionsError);
  });
});

describe('RateLimiter.reset()', () => {
  it('forgets what was taken, and a block, of the policies that are named', async () => {
    await allowedOf(5, ['api', 'sms']);
    await limiter.block('login', 'user:42', '1h');

    await limiter.reset(['sms', 'login'], 'user:42');

    expect((await limiter.peek(['sms', 'login', 'api'], 'user:42')).policies).toMatchObject([
      { name: 'sms', remaining: 2 },
      { name: 'login', remaining: 3 },
      { name: 'api', remaining: 3 },
    ]);
  });

  it('leaves other subjects alone', async () => {
    await allowedOf(2, 'sms', 'a');
    await allowedOf(2, 'sms', 'b');

    await limiter.reset('sms', 'a');

    expect([await allowedOf(5, 'sms', 'a'), await allowedOf(5, 'sms', 'b')]).toEqual([2, 0]);
  });
});

describe('RateLimiter.block()', () => {
  it('denies everything under the policy for so long, whatever was left', async () => {
    await limiter.block('api', 'user:42', '10m');

    expect(await limiter.consume('api', 'user:42')).toMatchObject({
      allowed: false,
      remaining: 0,
      retryAfterMs: 10 * MINUTE,
      resetAt: new Date(START + 10 * MINUTE),
      violated: ['api'],
    });
    expect((await limiter.consume('login', 'user:42')).allowed).toBe(true);
    expect((await limiter.consume('api', 'user:43')).allowed).toBe(true);
    now += 10 * MINUTE - 1;
    expect((await limiter.consume('api', 'user:42')).allowed).toBe(false);
    now += 1;
    expect(await limiter.consume('api', 'user:42')).toMatchObject({ allowed: true, remaining: 4 });
  });

  it('ends with unblock(), and what was taken before still counts', async () => {
    await allowedOf(2, 'login');
    await limiter.block('login', 'user:42', '1h');

    await limiter.unblock('login', 'user:42');

    expect(await limiter.consume('login', 'user:42')).toMatchObject({ allowed: true, remaining: 0 });
  });

  it('may be made shorter or longer', async () => {
    await limiter.block('api', 'user:42', '1h');
    await limiter.block('api', 'user:42', '1m');

    expect((await limiter.consume('api', 'user:42')).retryAfterMs).toBe(MINUTE);
  });

  it('of nobody that is blocked ends nothing', async () => {
    await expect(limiter.unblock('api', 'user:42')).resolves.toBeUndefined();
  });

  it.each(['0s', '-1m', '10', 'soon', 60 as unknown as Duration, '36501d'])('does not last %p', async (duration) => {
    await expect(limiter.block('api', 'user:42', duration as Duration)).rejects.toThrow(RangeError);
    expect((await limiter.peek('api', 'user:42')).allowed).toBe(true);
  });
});
