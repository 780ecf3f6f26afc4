import assert from 'node:assert/strict';
import type { Charge, Decision, RateLimitDriver, Rule } from './drivers/rate-limit-driver.js';

/** The functions of a test runner: Jest, Vitest and node:test have these as they are. */
export interface TestRunner {
  describe(title: string, body: () => void): void;
  it(title: string, body: () => Promise<void>): void;
}

export interface RateLimitDriverSuiteOptions extends TestRunner {
  /** What the driver runs on; heads the titles. */
  name: string;
  create(): Promise<RateLimitDriver> | RateLimitDriver;
  /** Makes a key of the store from a plain name; unique for this run, and of one slot with the others. */
  key(name: string): string;
  /** Lets `ms` pass for the driver. @default waits that long */
  elapse?(ms: number): Promise<void>;
}

const MS = 1_000;
let operations = 0;

/** The contract of {@link RateLimitDriver} as tests. Every driver must pass all of them. */
export function runRateLimitDriverSuite(options: RateLimitDriverSuiteOptions): void {
  const { describe, it, create, key } = options;
  const elapse = options.elapse ?? ((ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)));

  const consume = (driver: RateLimitDriver, name: string, ...rules: Rule[]): Promise<Decision> =>
    driver.decide([{ key: key(name), rules }], ++operations);

  /** How many of so many calls in a row are allowed. */
  async function allowedOf(count: number, call: () => Promise<Decision>): Promise<number> {
    let allowed = 0;
    for (let index = 0; index < count; index++) if ((await call()).allowed) allowed += 1;
    return allowed;
  }

  describe(`rate limit driver on ${options.name}`, () => {
    it('gives the burst at once, and then one per emission interval', async () => {
      const driver = await create();
      const rule = gcra({ emissionUs: 200 * MS, burst: 3 });

      assert.equal(await allowedOf(5, () => consume(driver, 'gcra', rule)), 3);
      const denied = await consume(driver, 'gcra', rule);
      assert.equal(denied.verdicts[0]!.remaining, 0);
      assert.ok(denied.verdicts[0]!.retryUs > 0 && denied.verdicts[0]!.retryUs <= 200 * MS);
      await elapse(210);

      assert.equal(await allowedOf(3, () => consume(driver, 'gcra', rule)), 1);
    });

    it('says what remains, and when all is as new', async () => {
      const driver = await create();
      const rule = gcra({ emissionUs: 1_000 * MS, burst: 10 });
      const { verdicts, allowed } = await consume(driver, 'standing', { ...rule, cost: 4 });

      assert.equal(allowed, true);
      assert.deepEqual(verdicts, [{ ok: true, remaining: 6, retryUs: 0, resetUs: 4_000 * MS }]);
      const { verdicts: peeked } = await driver.peek([{ key: key('standing'), rules: [rule] }]);
      assert.equal(peeked[0]!.remaining, 6);
      assert.equal((await consume(driver, 'standing', { ...rule, cost: 6 })).allowed, true);
      assert.equal((await consume(driver, 'standing', rule)).allowed, false);
    });

    it('begins a fixed window at the first call, and a new one when it is over', async () => {
      const driver = await create();
      const rule = fixedWindow({ limit: 4, perUs: 300 * MS });

      assert.equal(await allowedOf(6, () => consume(driver, 'fixed', rule)), 4);
      const { verdicts } = await consume(driver, 'fixed', rule);
      assert.ok(verdicts[0]!.retryUs <= 300 * MS && verdicts[0]!.retryUs > 0);
      await elapse(310);

      assert.equal(await allowedOf(6, () => consume(driver, 'fixed', rule)), 4);
    });

    it('never gives more than the limit in any sliding window', async () => {
      const driver = await create();
      const rule = slidingWindow({ limit: 10, bucketUs: 40 * MS, buckets: 10 });
      const admitted: number[] = [];

      for (let round = 0; round < 25; round++) {
        for (let call = 0; call < 3; call++) {
          const { allowed, nowUs } = await consume(driver, 'sliding', rule);
          if (allowed) admitted.push(nowUs);
        }
        await elapse(30);
      }

      assert.ok(admitted.length > 10);
      for (const from of admitted)
        assert.ok(admitted.filter((at) => at >= from && at < from + 400 * MS).length <= 10, 'too many in a window');
    });

    it('lets a log go exactly when the oldest call is out of the window', async () => {
      const driver = await create();
      const rule = slidingLog({ limit: 3, perUs: 300 * MS });

      assert.equal(await allowedOf(2, () => consume(driver, 'log', rule)), 2);
      await elapse(100);
      assert.equal(await allowedOf(3, () => consume(driver, 'log', rule)), 1);
      const { verdicts } = await consume(driver, 'log', rule);
      assert.ok(verdicts[0]!.retryUs <= 200 * MS && verdicts[0]!.retryUs > 50 * MS, String(verdicts[0]!.retryUs));
      await elapse(210);

      assert.equal(await allowedOf(3, () => consume(driver, 'log', rule)), 2);
    });

    it('charges a denied call to none of its rules, whichever denies it', async () => {
      const driver = await create();
      const wide = [
        gcra({ id: 1, emissionUs: 60_000 * MS, burst: 10 }),
        fixedWindow({ id: 2, limit: 10, perUs: 60_000 * MS }),
        slidingWindow({ id: 3, limit: 10, bucketUs: 6_000 * MS, buckets: 10 }),
        slidingLog({ id: 4, limit: 10, perUs: 60_000 * MS }),
      ];
      const narrow = gcra({ id: 5, emissionUs: 60_000 * MS, burst: 2 });

      assert.equal(await allowedOf(6, () => consume(driver, 'all', ...wide, narrow)), 2);
      const denied = await consume(driver, 'all', ...wide, narrow);
      assert.deepEqual(
        denied.verdicts.map(({ ok }) => ok),
        [true, true, true, true, false],
      );
      const { verdicts } = await driver.peek([{ key: key('all'), rules: wide }]);

      assert.deepEqual(
        verdicts.map(({ remaining }) => remaining),
        [8, 8, 8, 8],
      );
    });

    it('decides the rules of several subjects together', async () => {
      const driver = await create();
      const charges: Charge[] = [
        { key: key('two:ip'), rules: [gcra({ emissionUs: 60_000 * MS, burst: 5 })] },
        { key: key('two:account'), rules: [gcra({ emissionUs: 60_000 * MS, burst: 2 })] },
      ];

      assert.equal(await allowedOf(4, () => driver.decide(charges, ++operations)), 2);
      const { verdicts } = await driver.peek(charges);

      assert.deepEqual(
        verdicts.map(({ remaining }) => remaining),
        [3, 0],
      );
    });

    it('is not held up by a rule in the shadow, which counts what it would have allowed', async () => {
      const driver = await create();
      const shadow = fixedWindow({ id: 2, limit: 2, perUs: 60_000 * MS, shadow: true });
      const rules = [gcra({ emissionUs: 60_000 * MS, burst: 5 }), shadow];

      assert.equal(await allowedOf(7, () => consume(driver, 'shadow', ...rules)), 5);
      const { verdicts } = await driver.peek([{ key: key('shadow'), rules }]);

      assert.deepEqual(
        verdicts.map(({ ok, remaining }) => [ok, remaining]),
        [
          [false, 0],
          [false, 0],
        ],
      );
    });

    it('forgets and blocks the rules that it is told to, and leaves the others alone', async () => {
      const driver = await create();
      const one = gcra({ id: 1, emissionUs: 60_000 * MS, burst: 2 });
      const other = slidingLog({ id: 2, limit: 2, perUs: 60_000 * MS });
      const allowed = async (rule: Rule): Promise<boolean> =>
        (await driver.peek([{ key: key('admin'), rules: [rule] }])).allowed;
      await allowedOf(2, () => consume(driver, 'admin', one, other));

      await driver.reset(key('admin'), [1]);
      assert.deepEqual([await allowed(one), await allowed(other)], [true, false]);
      await driver.block(key('admin'), 1, 60_000 * MS);
      assert.equal((await consume(driver, 'admin', one)).allowed, false);
      const { verdicts } = await driver.peek([{ key: key('admin'), rules: [one] }]);
      assert.ok(verdicts[0]!.remaining === 0 && verdicts[0]!.retryUs > 59_000 * MS);
      await driver.block(key('admin'), 1, 0);
      assert.deepEqual([await allowed(one), await allowed(other)], [true, false]);
    });

    it('gives no free burst and takes nothing away when a limit is changed', async () => {
      const driver = await create();
      const before = gcra({ emissionUs: 1_000 * MS, burst: 100 });
      assert.equal(await allowedOf(100, () => consume(driver, 'changed', before)), 100);

      const lowered = gcra({ emissionUs: 10_000 * MS, burst: 10 });
      const { verdicts } = await driver.peek([{ key: key('changed'), rules: [lowered] }]);
      assert.equal(verdicts[0]!.ok, false);
      assert.ok(verdicts[0]!.retryUs <= 10_000 * MS, 'waits no longer than for one');
      const window = slidingWindow({ id: 2, limit: 5, bucketUs: 1_000 * MS, buckets: 10 });
      assert.equal(await allowedOf(9, () => consume(driver, 'changed', window)), 5);
      const wider = slidingWindow({ id: 2, limit: 8, bucketUs: 6_000 * MS, buckets: 10 });
      assert.equal(await allowedOf(9, () => consume(driver, 'changed', wider)), 3);
    });
  });
}

type Parts<R extends Rule> = Omit<R, 'kind' | 'id' | 'cost' | 'shadow'> & Partial<Pick<R, 'id' | 'cost' | 'shadow'>>;
type RuleOf<K extends Rule['kind']> = Extract<Rule, { kind: K }>;

const common = { id: 1, cost: 1, shadow: false };
const gcra = (parts: Parts<RuleOf<'gcra'>>): Rule => ({ kind: 'gcra', ...common, ...parts });
const fixedWindow = (parts: Parts<RuleOf<'fixedWindow'>>): Rule => ({ kind: 'fixedWindow', ...common, ...parts });
const slidingWindow = (parts: Parts<RuleOf<'slidingWindow'>>): Rule => ({ kind: 'slidingWindow', ...common, ...parts });
const slidingLog = (parts: Parts<RuleOf<'slidingLog'>>): Rule => ({ kind: 'slidingLog', ...common, ...parts });
