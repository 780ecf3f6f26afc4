import assert from 'node:assert/strict';
import type {
  Charge,
  ConcurrencyRule,
  Decision,
  RateLimitDriver,
  Rule,
  Settlement,
} from './drivers/rate-limit-driver.js';

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
const nextOperation = (): number => ++operations;

/** The contract of {@link RateLimitDriver} as tests. Every driver must pass all of them. */
export function runRateLimitDriverSuite(options: RateLimitDriverSuiteOptions): void {
  const { describe, it, create, key } = options;
  const elapse = options.elapse ?? ((ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)));

  const consume = (driver: RateLimitDriver, name: string, ...rules: Rule[]): Promise<Decision> =>
    driver.decide([{ key: key(name), rules }], nextOperation());

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

      assert.equal(await allowedOf(4, () => driver.decide(charges, nextOperation())), 2);
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

    it('counts by the periods of a calendar', async () => {
      const driver = await create();
      const { nowUs } = await driver.peek([{ key: key('calendar'), rules: [gcra({ emissionUs: MS, burst: 1 })] }]);
      const endUs = nowUs + 300 * MS;
      const ends = [endUs - 86_400_000 * MS, endUs, endUs + 60_000 * MS, endUs + 120_000 * MS];
      const calendar = {
        around(atUs: number) {
          const place = ends.findIndex((end) => end > atUs);
          return { startUs: ends[place - 1] ?? 0, endUs: ends[place]!, nextEndUs: ends[place + 1]! };
        },
      };
      const rule: Rule = { kind: 'calendar', ...common, limit: 3, calendar };

      assert.equal(await allowedOf(5, () => consume(driver, 'calendar', rule)), 3);
      const { verdicts } = await consume(driver, 'calendar', rule);
      assert.ok(verdicts[0]!.retryUs > 0 && verdicts[0]!.retryUs <= 300 * MS);
      await elapse(310);

      assert.equal(await allowedOf(5, () => consume(driver, 'calendar', rule)), 3);
    });

    it('allows so many calls at the same time, and frees the place of one that has ended, or that nobody renews', async () => {
      const driver = await create();
      const rule = concurrency({ limit: 2, leaseUs: 300 * MS });
      const charges = [{ key: key('places'), rules: [rule] }];
      const [first, second] = [nextOperation(), nextOperation()];

      const { nowUs, verdicts } = await driver.decide(charges, first);
      assert.equal((await driver.decide(charges, second)).allowed, true);
      const denied = await driver.decide(charges, nextOperation());
      assert.equal(denied.allowed, false);
      assert.ok(denied.verdicts[0]!.retryUs > 0 && denied.verdicts[0]!.retryUs <= 300 * MS);
      const { resetUs } = verdicts[0]!;
      const freed: Settlement = { key: key('places'), rule, back: 1, operation: first, chargedAtUs: nowUs, resetUs };
      await driver.settle([freed]);
      assert.equal((await driver.decide(charges, nextOperation())).allowed, true);
      assert.equal(await driver.renew(key('places'), rule, first), false);

      await elapse(200);
      assert.equal(await driver.renew(key('places'), rule, second), true);
      await elapse(200);
      assert.equal((await driver.peek(charges)).verdicts[0]!.remaining, 1);
      await elapse(110);
      assert.equal(await driver.renew(key('places'), rule, second), false);
      assert.equal((await driver.peek(charges)).verdicts[0]!.remaining, 2);
    });

    it('gives back what a call did not need, once, and takes what it needed more', async () => {
      const driver = await create();
      const rules = [
        gcra({ id: 1, emissionUs: 60_000 * MS, burst: 10 }),
        fixedWindow({ id: 2, limit: 10, perUs: 60_000 * MS }),
        slidingWindow({ id: 3, limit: 10, bucketUs: 6_000 * MS, buckets: 10 }),
        slidingLog({ id: 4, limit: 10, perUs: 60_000 * MS }),
      ].map((rule) => ({ ...rule, cost: 4 }));
      const charges = [{ key: key('settled'), rules }];
      const remaining = async (): Promise<number[]> =>
        (await driver.peek(charges)).verdicts.map((verdict) => verdict.remaining);
      const operation = nextOperation();
      const { nowUs, verdicts } = await driver.decide(charges, operation);
      const settle = (back: number): Promise<void> => {
        const those = rules.map((rule, index): Settlement => {
          const { resetUs } = verdicts[index]!;
          return { key: key('settled'), rule, back, operation, chargedAtUs: nowUs, resetUs };
        });
        return driver.settle(those);
      };

      assert.deepEqual(await remaining(), [6, 6, 6, 6]);
      await settle(3);
      assert.deepEqual(await remaining(), [9, 9, 9, 9]);
      await settle(-5);
      assert.deepEqual(await remaining(), [4, 4, 4, 4]);
      assert.equal((await driver.decide([{ key: key('settled'), rules }], nextOperation())).allowed, true);
      assert.deepEqual(await remaining(), [0, 0, 0, 0]);
    });

    it('denies and goes on, however much more was taken than there is', async () => {
      const driver = await create();
      const rules = [
        gcra({ id: 1, emissionUs: 1_000 * MS, burst: 10 }),
        fixedWindow({ id: 2, limit: 1_000_000_000, perUs: 60_000 * MS }),
        slidingWindow({ id: 3, limit: 1_000_000_000, bucketUs: 6_000 * MS, buckets: 10 }),
        slidingLog({ id: 4, limit: 100, perUs: 60_000 * MS }),
      ];
      for (const rule of rules) {
        const name = `over:${rule.kind}`;
        const charges = [{ key: key(name), rules: [rule] }];
        const operation = nextOperation();
        const { nowUs: chargedAtUs, verdicts } = await driver.decide(charges, operation);
        const { resetUs } = verdicts[0]!;
        const more = { key: key(name), rule, back: -1_000_000_000, operation, chargedAtUs, resetUs };
        for (let times = 0; times < 20; times++) await driver.settle([more]);

        const { allowed, verdicts: after } = await driver.decide(charges, nextOperation());
        assert.equal(allowed, false);
        assert.equal(after[0]!.remaining, 0);
        assert.ok(after[0]!.retryUs > 0);
      }
    });

    it('blocks longer each time, and forgets that after a while', async () => {
      const driver = await create();
      const block = { baseUs: 100 * MS, factor: 3, mostUs: 250 * MS, decayUs: 200 * MS };
      const rule = { ...fixedWindow({ limit: 1, perUs: 1 }), cost: 2, block };
      const deny = async (): Promise<number> => {
        // A window of one microsecond is over at once: what is denied is denied by its cost alone.
        const charges = [{ key: key('blocks'), rules: [rule] }];
        return (await driver.decide(charges, nextOperation())).verdicts[0]!.retryUs;
      };

      assert.equal(await deny(), 100 * MS);
      await elapse(40);
      assert.ok((await deny()) <= 60 * MS, 'what comes meanwhile makes it no longer');
      await elapse(70);
      assert.equal(await deny(), 250 * MS);
      await elapse(260);
      assert.equal(await deny(), 250 * MS);
      await elapse(460);
      assert.equal(await deny(), 100 * MS);
    });

    it('gives no free burst and takes nothing away when a limit is changed', async () => {
      const driver = await create();
      const before = gcra({ emissionUs: 1_000 * MS, burst: 100 });
      assert.equal(await allowedOf(100, () => consume(driver, 'changed', before)), 100);

      const lowered = gcra({ emissionUs: 10_000 * MS, burst: 10 });
      const { verdicts } = await driver.peek([{ key: key('changed'), rules: [lowered] }]);
      assert.equal(verdicts[0]!.ok, false);
      assert.ok(verdicts[0]!.retryUs <= 91_000 * MS, 'what was taken runs off as fast as it would have');
      const raised = gcra({ emissionUs: 500 * MS, burst: 200 });
      assert.equal(await allowedOf(150, () => consume(driver, 'changed', raised)), 100);
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
const concurrency = (parts: Parts<ConcurrencyRule>): ConcurrencyRule => ({
  kind: 'concurrency',
  ...common,
  ...parts,
});
const slidingLog = (parts: Parts<RuleOf<'slidingLog'>>): Rule => ({ kind: 'slidingLog', ...common, ...parts });
