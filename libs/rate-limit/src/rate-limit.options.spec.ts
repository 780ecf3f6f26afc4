import { describe, expect, it } from '@jest/globals';
import { ruleId } from './policies/rule-id.js';
import { fixedWindow, gcra, slidingLog, slidingWindow, tokenBucket, type Policy } from './policies/policy.js';
import { RateLimitOptionsError } from './rate-limit.errors.js';
import { resolveRateLimitOptions, type RateLimitModuleOptions } from './rate-limit.options.js';

/** The options as JavaScript or a configuration file may give them. */
function mistakesIn(options: unknown): readonly string[] {
  try {
    resolveRateLimitOptions(options as RateLimitModuleOptions);
  } catch (error) {
    if (error instanceof RateLimitOptionsError) return error.mistakes;
    throw error;
  }
  return [];
}

const mistakesOf = (policy: unknown): readonly string[] => mistakesIn({ policies: { api: policy } });

const HOUR_US = 3_600_000_000;

describe('The options of RateLimitModule', () => {
  it('all have a default but the policies', () => {
    const { policies, ...rest } = resolveRateLimitOptions({ policies: { api: gcra({ limit: 60, per: '1m' }) } });

    expect(rest).toEqual({
      connection: 'default',
      onOutage: 'local',
      redisTimeoutMs: 45,
      headers: 'draft',
      headerSecret: undefined,
      requestOf: undefined,
      ip: {
        v4: [{ bits: 32, times: 1 }],
        v6: [
          { bits: 64, times: 1 },
          { bits: 48, times: 16 },
        ],
      },
      denyCache: 10_000,
      top: true,
    });
    expect(policies.defaults).toEqual([]);
    expect([...policies.byName]).toMatchObject([
      [
        'api',
        {
          name: 'api',
          limit: 60,
          capacity: 60,
          cost: 1,
          shadow: false,
          onOutage: 'local',
          id: ruleId('gcra', 'api'),
          shape: { kind: 'gcra', emissionUs: 1_000_000, burst: 60 },
        },
      ],
    ]);
  });

  it('are taken as they are given, and a policy goes over the module', () => {
    const resolved = resolveRateLimitOptions({
      connection: 'limits',
      onOutage: 'closed',
      redisTimeout: '20ms',
      isGlobal: false,
      policies: {
        bursty: gcra({ limit: 10, per: '1h', burst: 30, cost: 30, mode: 'shadow', onOutage: 'open' }),
        bucket: tokenBucket({ capacity: 100, refill: 10, per: '1h' }),
        sliding: slidingWindow({ limit: 10, per: '1h', buckets: 60 }),
        log: slidingLog({ limit: 128, per: '1h' }),
        fixed: fixedWindow({ limit: 10, per: '1h', mode: 'enforce' }),
      },
    });

    expect(resolved).toMatchObject({ connection: 'limits', onOutage: 'closed', redisTimeoutMs: 20 });
    expect([...resolved.policies.byName.values()]).toMatchObject([
      {
        limit: 10,
        capacity: 30,
        cost: 30,
        shadow: true,
        onOutage: 'open',
        shape: { kind: 'gcra', emissionUs: HOUR_US / 10, burst: 30 },
      },
      {
        limit: 100,
        capacity: 100,
        cost: 1,
        shadow: false,
        onOutage: 'closed',
        shape: { kind: 'gcra', emissionUs: HOUR_US / 10, burst: 100 },
      },
      { capacity: 10, shape: { kind: 'slidingWindow', limit: 10, bucketUs: HOUR_US / 60, buckets: 60 } },
      { capacity: 128, shape: { kind: 'slidingLog', limit: 128, perUs: HOUR_US } },
      { capacity: 10, shadow: false, shape: { kind: 'fixedWindow', limit: 10, perUs: HOUR_US } },
    ]);
  });

  it('round so that a policy never gives more than it says', () => {
    const { policies } = resolveRateLimitOptions({
      policies: { thirds: gcra({ limit: 3, per: '1s' }), sevenths: slidingWindow({ limit: 3, per: '1s', buckets: 7 }) },
    });

    expect([...policies.byName.values()].map(({ shape }) => shape)).toEqual([
      { kind: 'gcra', emissionUs: 333_334, burst: 3 },
      { kind: 'slidingWindow', limit: 3, bucketUs: 142_858, buckets: 7 },
    ]);
  });

  it('that are wrong are all listed at once, each with the fix', () => {
    const mistakes = mistakesIn({
      connection: '',
      onOutage: 'fail',
      redisTimeout: 45,
      headers: 'rfc' as never,
      denyCache: 0,
      top: 1 as never,
      defaults: ['a', 'nobody'],
      ip: { v4: { 4: 1 } },
      limits: {},
      requestOf: 'req' as never,
      policies: {
        a: gcra({ limit: 0, per: '1h' }),
        b: { kind: 'leakyBucket', limit: 1, per: '1h' },
        c: { ...fixedWindow({ limit: 5, per: '1h' }), burst: 2 },
        d: gcra({ limit: 5, per: 60 as never, mode: 'off' as never, onOutage: 'maybe' as never }),
        'no name': gcra({ limit: 1, per: '1h' }),
      },
    });

    const expected = [
      'options.connection is "". Use letters, digits, ".", "_" and "-", at most 64.',
      "options.onOutage is \"fail\". Use one of 'local', 'open', 'closed'.",
      "options.redisTimeout is 45. Write the unit: '45ms'.",
      'options.policies has the name "no name". Use letters, digits, ".", "_" and "-".',
      'options.policies.a.limit is 0. Give a whole number of 1 or more.',
      "options.policies.b.kind is \"leakyBucket\". Use one of 'gcra', 'tokenBucket', 'slidingWindow', 'slidingLog', 'fixedWindow', 'calendar', 'concurrency'.",
      'options.policies.c.burst is not an option. Known here: kind, limit, per, by, block, lease, cost, when, mode, onOutage.',
      "options.policies.d.per is 60. Write the unit: '60ms'.",
      "options.policies.d.mode is \"off\". Use one of 'enforce', 'shadow'.",
      "options.policies.d.onOutage is \"maybe\". Use one of 'local', 'open', 'closed'.",
      "options.headers is \"rfc\". Use one of 'draft', 'legacy', 'both', false.",
      'options.denyCache is 0. Give a whole number of 1 or more.',
      'options.top is 1. Use true or false.',
      'options.requestOf is no function. Give one.',
      // The first is there, but wrong.
      'options.defaults[0] is "a". Give the name of one of the policies.',
      'options.defaults[1] is "nobody". Give the name of one of the policies.',
      'options.ip.v4 has the prefix length "4". Give whole numbers from 8 to 32.',
      expect.stringMatching(/^options\.limits is not an option\. Known here: .*\bpolicies\b/),
    ];
    expect(mistakes).toEqual(expect.arrayContaining(expected));
    expect(mistakes).toHaveLength(expected.length);
  });

  it('that are wrong make one message with a line for each', () => {
    const options = { onOutage: 'fail' as never, policies: { api: gcra({ limit: 0, per: '1h' }) } };

    expect(() => resolveRateLimitOptions(options)).toThrow(
      /^RateLimitModule has wrong options:\n {2}- options\.onOutage is "fail"\. .+\n {2}- options\.policies\.api\.limit is 0\. .+$/,
    );
  });

  it.each([[undefined], [null], ['5m'], [[]]])('may be no options at all: %p', (options) => {
    expect(mistakesIn(options)).toContainEqual(expect.stringMatching(/^options is .+\. Give an object\.$/));
  });

  it.each([[null], ['api'], [7]])('are policies by their names: %p', (policies) => {
    expect(mistakesIn({ policies })).toEqual([
      expect.stringMatching(/^options\.policies is .+ without entries\. Give at least one entry by name\.$/),
    ]);
  });
});

describe('A policy', () => {
  const HUGE = Number.MAX_SAFE_INTEGER + 1;
  const notCounts = [0, -1, Number.NaN, 1.5, HUGE, Number.POSITIVE_INFINITY, '5', null];
  const countOptions: [string, object][] = [
    ['limit', gcra({ limit: 5, per: '1h', burst: 5 })],
    ['burst', gcra({ limit: 5, per: '1h' })],
    ['limit', slidingWindow({ limit: 5, per: '1h' })],
    ['buckets', slidingWindow({ limit: 5, per: '1h' })],
    ['limit', slidingLog({ limit: 5, per: '1h' })],
    ['limit', fixedWindow({ limit: 5, per: '1h' })],
    ['capacity', tokenBucket({ capacity: 5, refill: 1, per: '1h' })],
    ['refill', tokenBucket({ capacity: 5, refill: 1, per: '1h' })],
    ['cost', gcra({ limit: 5, per: '1h' })],
  ];
  // null is the same as nothing, which for some options is a default.
  const cases = countOptions.flatMap(([name, policy]) =>
    notCounts
      .filter((value) => value !== null || !['burst', 'buckets', 'cost'].includes(name))
      .map((value): [string, unknown, object] => [name, value, policy]),
  );

  it.each(cases)('has no %s of %p, and says so once (%j)', (name, value, policy) => {
    expect(mistakesOf({ ...policy, [name]: value })).toEqual([
      expect.stringMatching(
        new RegExp(`^options\\.policies\\.api\\.${name} is .+\\. Give a whole number of 1 or more\\.$`),
      ),
    ]);
  });

  it.each(countOptions.filter(([name]) => name !== 'cost' && name !== 'buckets'))(
    'has no %s that does not fit into the state (%j)',
    (name, policy) => {
      expect(mistakesOf({ ...policy, [name]: 1_000_000_001, per: '1825d' })).toContainEqual(
        `options.policies.api.${name} is 1000000001. Give a whole number of 1000000000 at most.`,
      );
    },
  );

  it.each([
    [60, "options.policies.api.per is 60. Write the unit: '60ms'."],
    ['60', 'options.policies.api.per is "60". Write the unit: \'60ms\'.'],
    [undefined, "options.policies.api.per is undefined. Write a length of time with its unit, for example '15m'."],
    ['0s', expect.stringMatching(/^options\.policies\.api\.per is "0s"\. /)],
    ['-1s', expect.stringMatching(/^options\.policies\.api\.per is "-1s"\. /)],
    [Number.NaN, expect.stringMatching(/^options\.policies\.api\.per is NaN\. /)],
    ['1826d', 'options.policies.api.per is longer than 1825 days. Give a shorter one.'],
  ])('has no "per" of %p, and says so once', (per, mistake) => {
    for (const policy of [
      gcra({ limit: 100_000, per: '1h' }),
      tokenBucket({ capacity: 100_000, refill: 100_000, per: '1h' }),
      slidingWindow({ limit: 5, per: '1h' }),
      slidingLog({ limit: 5, per: '1h' }),
      fixedWindow({ limit: 5, per: '1h' }),
    ])
      expect(mistakesOf({ ...policy, per })).toEqual([mistake]);
  });

  it('keeps at most 128 calls in a log', () => {
    expect(mistakesOf(slidingLog({ limit: 128, per: '1h' }))).toEqual([]);
    expect(mistakesOf(slidingLog({ limit: 129, per: '1h' }))).toEqual([
      'options.policies.api.limit is 129, and a log keeps 128 calls at most. Use slidingWindow() for more.',
    ]);
  });

  it('cuts its window into at most 60 parts', () => {
    expect(mistakesOf(slidingWindow({ limit: 5, per: '1h', buckets: 60 }))).toEqual([]);
    expect(mistakesOf(slidingWindow({ limit: 5, per: '1h', buckets: 61 }))).toEqual([
      'options.policies.api.buckets is 61. Give a whole number from 1 to 60.',
    ]);
  });

  it('gives at most one in a microsecond', () => {
    expect(mistakesOf(gcra({ limit: 1_000, per: '1ms' }))).toEqual([]);
    expect(mistakesOf(gcra({ limit: 1_001, per: '1ms' }))).toEqual([
      'options.policies.api.limit is 1001, more than one in a microsecond. Lower it, or give a longer "per".',
    ]);
    expect(mistakesOf(tokenBucket({ capacity: 1, refill: 1_001, per: '1ms' }))).toEqual([
      'options.policies.api.refill is 1001, more than one in a microsecond. Lower it, or give a longer "per".',
    ]);
  });

  it('fills in a time that can be counted exactly', () => {
    expect(mistakesOf(tokenBucket({ capacity: 52_000, refill: 1, per: '1d' }))).toEqual([]);
    expect(mistakesOf(tokenBucket({ capacity: 53_000, refill: 1, per: '1d' }))).toEqual([
      'options.policies.api would take more than 142 years to give 53000 back. Give more per time, or less at once.',
    ]);
    expect(mistakesOf(gcra({ limit: 1, per: '1d', burst: 53_000 }))).toHaveLength(1);
  });

  it('costs no more than can be had at once', () => {
    expect(mistakesOf(gcra({ limit: 100, per: '1h', burst: 5, cost: 5 }))).toEqual([]);
    expect(mistakesOf(gcra({ limit: 100, per: '1h', burst: 5, cost: 6 }))).toEqual([
      'options.policies.api.cost is 6, more than the 5 that can be had at once. Lower it, or raise that.',
    ]);
    expect(mistakesOf(tokenBucket({ capacity: 5, refill: 100, per: '1h', cost: 6 }))).toHaveLength(1);
    expect(mistakesOf(fixedWindow({ limit: 5, per: '1h', cost: 6 }))).toHaveLength(1);
    expect(mistakesOf(slidingWindow({ limit: 5, per: '1h', cost: 6 }))).toHaveLength(1);
    expect(mistakesOf(slidingLog({ limit: 5, per: '1h', cost: 6 }))).toHaveLength(1);
  });

  it.each([[null], ['5/1m'], [60], [[]], [() => true]])('is an object: %p', (policy) => {
    expect(mistakesOf(policy)).toEqual([expect.stringMatching(/^options\.policies\.api is .+\. Give an object\.$/)]);
  });

  it.each(['gcra', 'tokenBucket', 'slidingWindow', 'slidingLog', 'fixedWindow'])(
    'of the kind %s rejects what it does not know',
    (kind) => {
      const policy = { kind, limit: 5, capacity: 5, refill: 5, per: '1h', unit: 'day' };

      expect(mistakesOf(policy)).toContainEqual(
        expect.stringMatching(/^options\.policies\.api\.unit is not an option/),
      );
    },
  );
});

describe('The names of policies', () => {
  /** Two names that are the same number in the state of a subject. */
  function collision(): [string, string] {
    const names = new Map<number, string>();
    for (let index = 0; ; index++) {
      const id = ruleId('gcra', `p${index}`);
      const other = names.get(id);
      if (other !== undefined) return [other, `p${index}`];
      names.set(id, `p${index}`);
    }
  }

  it('can all be told apart in Redis', () => {
    const [one, other] = collision();
    const policy = gcra({ limit: 1, per: '1h' });

    expect(mistakesIn({ policies: { [one]: policy } })).toEqual([]);
    expect(mistakesIn({ policies: { [one]: policy, [other]: policy } })).toEqual([
      `options.policies.${other} cannot be told from options.policies.${one} in Redis. Give one another name.`,
    ]);
  });

  it('can be told from what RateLimiter.check() charges', () => {
    const taken = ruleId('gcra', 'check()');
    let index = 0;
    while (ruleId('gcra', `p${index}`) !== taken) index += 1;

    expect(mistakesIn({ policies: { check: gcra({ limit: 1, per: '1h' }) } })).toEqual([]);
    expect(mistakesIn({ policies: { [`p${index}`]: gcra({ limit: 1, per: '1h' }) } })).toEqual([
      `options.policies.p${index} cannot be told from RateLimiter.check() in Redis. Give one another name.`,
    ]);
  });

  it('stand for a number from 1 to 32767 that tells the kinds apart, but not a bucket from GCRA', () => {
    const ids = Array.from({ length: 200_000 }, (_, index) => ruleId('gcra', String(index)));

    expect(ids.every((id) => Number.isInteger(id) && id >= 1 && id <= 32_767)).toBe(true);
    expect(ruleId('tokenBucket', 'api')).toBe(ruleId('gcra', 'api'));
    expect(
      new Set(['gcra', 'slidingWindow', 'slidingLog', 'fixedWindow'].map((kind) => ruleId(kind, 'api'))).size,
    ).toBe(4);
  });
});

describe('A length of time that is null', () => {
  it.each([
    ['per', { ...gcra({ limit: 1, per: '1h' }), per: null }],
    ['block', { ...gcra({ limit: 1, per: '1h' }), block: null }],
    ['block', gcra({ limit: 1, per: '1h', block: {} as never })],
    ['lease', gcra({ limit: 10, per: '1h', lease: { size: 5, for: null as never } })],
  ])('is no length of time (%s of %j)', (name, policy) => {
    const mistakes = mistakesIn({ policies: { api: policy as Policy } });

    expect(mistakes.length).toBeGreaterThan(0);
    for (const mistake of mistakes) expect(mistake).toContain(`options.policies.api.${name}`);
  });
});
