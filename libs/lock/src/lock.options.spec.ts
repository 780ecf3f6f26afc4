import { describe, expect, it } from '@jest/globals';
import { LockCallError, LockOptionsError } from './lock.errors.js';
import { resolveAcquireOptions, resolveLockOptions, resolveTtl, type LockModuleOptions } from './lock.options.js';
import { resolveKeys } from './resolve-keys.js';

const DEFAULTS = resolveLockOptions({});

function mistakesOf(options: unknown): readonly string[] {
  try {
    resolveLockOptions(options as LockModuleOptions);
  } catch (error) {
    expect(error).toBeInstanceOf(LockOptionsError);
    return (error as LockOptionsError).mistakes;
  }
  throw new Error('No mistake was found.');
}

describe('The options of the module', () => {
  it('have defaults', () => {
    expect(DEFAULTS).toEqual({
      connection: 'default',
      ttlMs: 30_000,
      waitMs: 10_000,
      maxHoldMs: 3_600_000,
      delayMs: 0,
      replicas: undefined,
      redisTimeoutMs: 1_000,
      fair: true,
      signal: undefined,
    });
  });

  it('may all be given', () => {
    const options = {
      connection: 'locks',
      ttl: '5s',
      wait: '0ms',
      maxHold: '1m',
      lockDelay: '2s',
      replicas: { min: 2, timeout: '50ms' },
      redisTimeout: '500ms',
      isGlobal: false,
    } as const;

    expect(resolveLockOptions(options)).toEqual({
      connection: 'locks',
      ttlMs: 5_000,
      waitMs: 0,
      maxHoldMs: 60_000,
      delayMs: 2_000,
      replicas: { min: 2, timeoutMs: 50 },
      redisTimeoutMs: 500,
      fair: true,
      signal: undefined,
    });
    expect(resolveLockOptions({ replicas: { min: 1 } }).replicas).toEqual({ min: 1, timeoutMs: 200 });
  });

  it.each<[unknown, RegExp]>([
    [{ ttl: '2s' }, /^options\.ttl is '2s', less than 3 times "redisTimeout" \(1000ms\).* Use '3000ms' or more/],
    [{ redisTimeout: '11s' }, /^options\.ttl is '30000ms', less than 3 times/],
    [{ ttl: '3s', redisTimeout: '1001ms' }, /^options\.ttl is '3s', less than 3 times/],
    [{ ttl: 30_000 }, /^options\.ttl is 30000\. Write the unit/],
    [{ ttl: 3_000 }, /^options\.ttl is 3000\. Write the unit/],
    [{ ttl: 5, redisTimeout: '11s' }, /^options\.ttl is 5\./],
    [{ ttl: null }, /^options\.ttl is null/],
    [{ ttl: '2s', redisTimeout: 5 }, /^options\.redisTimeout is 5\./],
    [{ maxHold: 5 }, /^options\.maxHold is 5\./],
    [{ ttl: '366d', maxHold: '365d' }, /^options\.ttl is '366d', and '365d' is the most/],
    [{ maxHold: '366d' }, /^options\.maxHold is '366d', and '365d' is the most/],
    [{ lockDelay: '8761h' }, /^options\.lockDelay is '8761h', and '365d' is the most/],
    [{ wait: '366d' }, /^options\.wait is '366d', and '365d' is the most/],
    [{ redisTimeout: '61m', ttl: '4h', maxHold: '4h' }, /^options\.redisTimeout is '61m', and '1h' is the most/],
    [{ replicas: { min: 1, timeout: '2h' } }, /^options\.replicas\.timeout is '2h', and '1h' is the most/],
    [{ ttl: '0s' }, /^options\.ttl is "0s"/],
    [{ ttl: '-5s' }, /^options\.ttl is "-5s"/],
    [{ wait: 'for ever' }, /^options\.wait is "for ever"/],
    [{ wait: 0 }, /^options\.wait is 0/],
    [{ maxHold: '20s' }, /^options\.maxHold is '20s', less than the ttl of '30000ms'/],
    [{ lockDelay: -1 }, /^options\.lockDelay is -1/],
    [{ redisTimeout: '0ms' }, /^options\.redisTimeout is "0ms"/],
    [{ connection: '' }, /^options\.connection is ""/],
    [{ connection: 'a b' }, /^options\.connection is "a b"/],
    [{ replicas: { min: 0 } }, /^options\.replicas\.min is 0/],
    [{ replicas: { min: 1.5 } }, /^options\.replicas\.min is 1\.5/],
    [{ replicas: { min: 1, timeout: 5 } }, /^options\.replicas\.timeout is 5/],
    [{ replicas: { min: 1, max: 3 } }, /^options\.replicas\.max is not an option/],
    [{ replicas: 2 }, /^options\.replicas is of type number/],
    [{ replicas: null }, /^options\.replicas is null/],
    [{ retries: 3 }, /^options\.retries is not an option\. Known here: .*ttl/],
    [[], /^options is a list/],
    [null, /^options is null/],
  ])('refuse %p, and say why', (options, mistake) => {
    expect(mistakesOf(options)).toEqual([expect.stringMatching(mistake)]);
  });

  it('tell all mistakes at once', () => {
    expect(mistakesOf({ ttl: 5, wait: '', connection: 7, retries: 1 })).toHaveLength(4);
  });
});

describe('The options of a call', () => {
  it('are those of the module where it says nothing', () => {
    expect(resolveAcquireOptions(undefined, DEFAULTS)).toMatchObject({ waitMs: 10_000, ttlMs: 30_000 });
    expect(resolveAcquireOptions({}, DEFAULTS)).toEqual({
      waitMs: 10_000,
      ttlMs: 30_000,
      maxHoldMs: 3_600_000,
      delayMs: 0,
      fair: true,
      signal: undefined,
    });
    expect(resolveAcquireOptions({ ttl: undefined as never }, DEFAULTS).ttlMs).toBe(30_000);
  });

  it('may all be given', () => {
    const { signal } = new AbortController();
    const options = { wait: '0ms', ttl: '3s', maxHold: '3s', lockDelay: '1s', fair: false, signal } as const;

    expect(resolveAcquireOptions(options, DEFAULTS)).toEqual({
      waitMs: 0,
      ttlMs: 3_000,
      maxHoldMs: 3_000,
      delayMs: 1_000,
      fair: false,
      signal,
    });
  });

  it.each<[unknown, string]>([
    [{ ttl: '2999ms' }, `options.ttl is '2999ms', less than 3 times "redisTimeout" (1000ms)`],
    [{ ttl: 5_000 }, 'options.ttl is 5000'],
    [{ ttl: '0ms' }, 'options.ttl is "0ms"'],
    [{ ttl: null }, 'options.ttl is null'],
    [{ ttl: '2h' }, `options.maxHold is '3600000ms', less than the ttl of '2h'`],
    [{ maxHold: '10s' }, `options.maxHold is '10s', less than the ttl of '30000ms'`],
    [{ wait: -1 }, 'options.wait is -1'],
    [{ wait: null }, 'options.wait is null'],
    [{ fair: 'yes' }, 'options.fair is "yes"'],
    [{ signal: {} }, 'options.signal is no AbortSignal'],
    [{ signal: null }, 'options.signal is no AbortSignal'],
    [{ signal: new AbortController() }, 'options.signal is no AbortSignal'],
    [{ retries: 1 }, 'options.retries is not an option'],
    ['10s', 'options is of type string'],
    [null, 'options is null'],
  ])('refuse %p, and say why', (options, message) => {
    const call = (): unknown => resolveAcquireOptions(options as never, DEFAULTS);

    expect(call).toThrow(LockCallError);
    expect(call).toThrow(message);
  });

  it('may be as long as they can be, and no longer', () => {
    const longest = { ttl: '365d', maxHold: '365d', lockDelay: '365d', wait: '365d' } as const;
    expect(() => resolveAcquireOptions(longest, DEFAULTS)).not.toThrow();
    for (const name of Object.keys(longest)) {
      const options = { ...longest, [name]: '10000d' };
      expect(() => resolveAcquireOptions(options, DEFAULTS)).toThrow(`options.${name} is '10000d', and '`);
    }
  });

  it('that are wrong are not compared with each other', () => {
    const call = (): unknown => resolveAcquireOptions({ ttl: 3_000 as never }, DEFAULTS);
    expect(call).toThrow(new LockCallError("options.ttl is 3000. Write the unit: '3000ms' (or '3s')."));
  });

  it('are refused with all mistakes at once', () => {
    expect(() => resolveAcquireOptions({ ttl: 1, wait: 1, fair: 1 } as never, DEFAULTS)).toThrow(
      /options\.wait is 1.*options\.ttl is 1.*options\.fair is 1/,
    );
  });
});

describe('What a lock is extended by', () => {
  it('is read as the ttl is', () => {
    expect(resolveTtl('3s', 1_000)).toBe(3_000);
    expect(resolveTtl('365d', 1_000)).toBe(365 * 86_400_000);
  });

  it.each<[unknown, string]>([
    ['2s', `ttl is '2s', less than 3 times "redisTimeout" (1000ms)`],
    ['366d', `ttl is '366d', and '365d' is the most there is. Use that or less.`],
    [5, 'ttl is 5. Write'],
    [null, 'ttl is null.'],
    [undefined, 'ttl is undefined.'],
  ])('is refused when it is %p', (ttl, message) => {
    expect(() => resolveTtl(ttl as '1s', 1_000)).toThrow(LockCallError);
    expect(() => resolveTtl(ttl as '1s', 1_000)).toThrow(message);
  });
});

describe('The keys of a call', () => {
  it.each<[unknown, RegExp]>([
    ['', /key of a lock is empty/],
    [[''], /key of a lock is empty/],
    [[], /list of keys is empty/],
    [Array.from({ length: 65 }, (_, index) => `k${index}`), /has 65 keys, more than 64/],
    [42, /of type number/],
    [null, /null/],
    [undefined, /of type undefined/],
    [[undefined], /of type undefined/],
    [[['a']], /of type object/],
  ])('refuse %p', (keys, message) => {
    expect(() => resolveKeys('app:lock:', keys as string)).toThrow(LockCallError);
    expect(() => resolveKeys('app:lock:', keys as string)).toThrow(message);
  });

  it('take ten thousand characters, which cost no more than a few', () => {
    const [target] = resolveKeys('app:lock:', 'x'.repeat(10_000));

    expect(target!.key.length).toBeLessThan(200);
  });
});
