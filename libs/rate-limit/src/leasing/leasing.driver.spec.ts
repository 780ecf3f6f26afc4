import { beforeEach, describe, expect, it } from '@jest/globals';
import { MemoryRateLimitDriver } from '../drivers/memory.driver.js';
import type { Charge, Decision, Rule, Settlement } from '../drivers/rate-limit-driver.js';
import type { LeaseClock } from './lease-clock.js';
import { LeasingRateLimitDriver } from './leasing.driver.js';

const PER_US = 1_000_000;
const FOR_US = 100_000;
const lease = { size: 16, forUs: FOR_US, perUs: PER_US };
const common = { id: 1, cost: 1, shadow: false };
const window: Rule = { ...common, kind: 'fixedWindow', limit: 1_000, perUs: PER_US, lease };

let nowUs: number;
let alarms: { atUs: number; run: () => void }[];

const clock: LeaseClock = {
  now: () => nowUs - 1_800_000_000_000_000,
  wake(afterUs, run) {
    const alarm = { atUs: nowUs + afterUs, run };
    alarms.push(alarm);
    return () => void (alarms = alarms.filter((other) => other !== alarm));
  },
};

function pass(us: number): void {
  nowUs += us;
  for (const alarm of alarms.filter(({ atUs }) => atUs <= nowUs)) {
    alarms = alarms.filter((other) => other !== alarm);
    alarm.run();
  }
}

/** A store that notes what it is asked, and can be made to keep its replies for a while. */
class Store extends MemoryRateLimitDriver {
  readonly asked: Charge[][] = [];
  readonly givenBack: Settlement[] = [];
  error: Error | undefined;
  /** Whether others are always faster where more than one unit is asked for. */
  isGreedy = false;
  #replies: (() => void)[] | undefined;

  constructor() {
    super(() => nowUs);
  }

  get costs(): number[] {
    return this.asked.map(([charge]) => charge!.rules[0]!.cost);
  }

  hold(): void {
    this.#replies = [];
  }

  async reply(): Promise<void> {
    await settled();
    for (const reply of this.#replies!.splice(0)) reply();
    await settled();
  }

  override async decide(charges: readonly Charge[], operation: number): Promise<Decision> {
    this.asked.push([...charges]);
    const { error } = this;
    const isLate = this.isGreedy && charges[0]!.rules[0]!.cost > 1;
    const decision = isLate
      ? { ...(await super.peek(charges)), allowed: false }
      : await super.decide(charges, operation);
    await this.#untilReply();
    if (error) throw error;
    return decision;
  }

  override async reset(key: string, ids: readonly number[]): Promise<void> {
    await this.#untilReply();
    await super.reset(key, ids);
  }

  override async settle(settlements: readonly Settlement[]): Promise<void> {
    this.givenBack.push(...settlements);
    await super.settle(settlements);
  }

  async #untilReply(): Promise<void> {
    if (this.#replies) await new Promise<void>((resolve) => this.#replies!.push(resolve));
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

let store: Store;
let driver: LeasingRateLimitDriver;
let operation = 0;

beforeEach(() => {
  nowUs = 1_800_000_000_000_000;
  alarms = [];
  store = new Store();
  driver = new LeasingRateLimitDriver(store, clock);
});

const decide = (...rules: Rule[]): Promise<Decision> => driver.decide([{ key: 'all', rules }], ++operation);

async function allowedOf(count: number, ...rules: Rule[]): Promise<number> {
  let allowed = 0;
  for (let call = 0; call < count; call++) if ((await decide(...rules)).allowed) allowed += 1;
  return allowed;
}

/** What the store would give. */
const left = async (rule: Rule): Promise<number> =>
  (await store.peek([{ key: 'all', rules: [{ ...rule, perUs: PER_US + FOR_US } as Rule] }])).verdicts[0]!.remaining;

describe('A driver that takes units ahead', () => {
  it('asks for one call at first, and for twice as many each time that they are used up', async () => {
    expect(await allowedOf(31 + 3 * 16, window)).toBe(79);

    expect(store.costs).toEqual([1, 2, 4, 8, 16, 16, 16, 16]);
  });

  it('takes nothing ahead of subjects with few calls', async () => {
    for (let call = 0; call < 10; call++) {
      await decide(window);
      pass(3 * FOR_US);
    }

    expect(store.costs).toEqual(Array.from({ length: 10 }, () => 1));
    expect(store.givenBack).toEqual([]);
  });

  it('asks once for all that wait, and again for those that were not covered', async () => {
    const rule: Rule = { ...window, limit: 20 } as Rule;
    store.hold();
    const calls = Promise.all(Array.from({ length: 30 }, () => decide(rule)));
    expect(store.costs).toEqual([1]);
    await store.reply();
    expect(store.costs).toEqual([1, 19]);
    await store.reply();
    expect(store.costs).toEqual([1, 19, 1]);
    await store.reply();

    expect((await calls).filter(({ allowed }) => allowed)).toHaveLength(20);
    expect(store.costs).toEqual([1, 19, 1]);
  });

  it('says what the store and the process have left together, and when the store has charged it', async () => {
    await allowedOf(3, window);
    const chargedAtUs = nowUs;
    expect(await decide(window)).toEqual({
      allowed: true,
      nowUs: chargedAtUs,
      verdicts: [{ ok: true, remaining: 996, retryUs: 0, resetUs: PER_US + FOR_US }],
    });
    pass(FOR_US / 2);

    const decision = await decide(window);

    expect(decision.nowUs).toBe(chargedAtUs);
    expect(decision.verdicts[0]!.remaining).toBe(995);
    const peeked = await driver.peek([{ key: 'all', rules: [window] }]);
    expect(peeked.verdicts[0]!.remaining).toBe(995);
    expect(await left(window)).toBe(993);
  });

  it('gives back what is left when the lease is over, and then knows nothing of the subject', async () => {
    await allowedOf(4, window);
    expect(await left(window)).toBe(993);

    pass(FOR_US);
    expect(store.givenBack).toMatchObject([{ key: 'all', back: 3, rule: { cost: 4, perUs: PER_US + FOR_US } }]);
    expect(await left(window)).toBe(996);
    // As many came as of late, so it asks for one at the next.
    await decide(window);
    expect(store.costs).toEqual([1, 2, 4, 1]);
    await settled();
    pass(FOR_US);

    expect(alarms).toEqual([]);
  });

  it('counts the time of a lease from before it has asked, however late the reply is', async () => {
    await allowedOf(3, window);
    store.hold();
    const slow = decide(window);
    pass(FOR_US * 0.9);
    await store.reply();
    expect((await slow).allowed).toBe(true);
    await decide(window);
    expect(store.costs).toEqual([1, 2, 4]);

    pass(FOR_US * 0.1);
    void decide(window);
    expect(store.costs).toEqual([1, 2, 4, 2]);
  });

  it('admits the call that has waited for a reply when it comes too late for others, and gives the rest back', async () => {
    await allowedOf(3, window);
    store.hold();
    const slow = decide(window);
    pass(FOR_US * 2);
    await store.reply();

    expect((await slow).allowed).toBe(true);
    expect(store.givenBack).toMatchObject([{ back: 3 }]);
  });

  it('takes ever less the nearer the limit is, and gives exactly the limit', async () => {
    const rule: Rule = { ...window, limit: 100 } as Rule;

    expect(await allowedOf(150, rule)).toBe(100);

    expect(Math.max(...store.costs)).toBe(16);
    expect(store.costs.filter((_, index) => store.costs[index]! > 1).length).toBeLessThan(20);
    expect(store.costs.slice(-52)).toEqual(Array.from({ length: 52 }, () => 1));
  });

  it('asks for less when others have taken what it has asked for', async () => {
    const rule: Rule = { ...window, limit: 100 } as Rule;
    await allowedOf(15, rule);
    await store.decide([{ key: 'all', rules: [{ ...rule, perUs: PER_US + FOR_US, cost: 83 } as Rule] }], ++operation);
    store.asked.length = 0;

    expect(await allowedOf(3, rule)).toBe(2);
    expect(store.costs).toEqual([16, 1, 1, 1]);
  });

  it('asks for a call alone in the end, when others are always faster', async () => {
    await allowedOf(7, window);
    store.isGreedy = true;
    store.hold();
    const calls = Promise.all([1, 2, 3].map(() => decide(window)));
    for (let reply = 0; reply < 9; reply++) await store.reply();

    expect((await calls).every(({ allowed }) => allowed)).toBe(true);
    expect(store.costs.slice(3)).toEqual([8, 3, 1, 2, 2, 1, 2, 1]);
  });

  it('is told once for all that wait that there is nothing left; those of another cost ask for themselves', async () => {
    const rule: Rule = { ...window, limit: 2 } as Rule;
    await allowedOf(2, rule);
    store.hold();
    const first = decide(rule);
    const waiting = Promise.all([...Array.from({ length: 50 }, () => decide(rule)), decide({ ...rule, cost: 2 })]);
    store.asked.length = 0;
    await store.reply();
    await store.reply();
    await store.reply();

    expect((await first).allowed).toBe(false);
    expect((await waiting).every(({ allowed, verdicts }) => !allowed && verdicts[0]!.retryUs > 0)).toBe(true);
    expect(store.costs).toEqual([1, 2]);
  });

  it('shares what was taken among calls of different costs, and lets one cost more than is taken ahead', async () => {
    await allowedOf(7, window);
    store.asked.length = 0;
    await decide(window);
    expect((await decide({ ...window, cost: 4 })).allowed).toBe(true);
    expect(store.costs).toEqual([8]);

    expect((await decide({ ...window, cost: 40 })).allowed).toBe(true);
    expect(store.costs).toEqual([8, 40]);
    expect(store.givenBack).toMatchObject([{ back: 3 }]);
    expect(await left(window)).toBe(1_000 - 7 - 1 - 4 - 40);
  });

  it('takes of all rules of a call at once', async () => {
    const other: Rule = { ...common, id: 2, cost: 3, kind: 'gcra', emissionUs: 1_000, burst: 300, lease };
    await allowedOf(7, window, other);

    expect(store.asked.map(([charge]) => charge!.rules.map(({ cost }) => cost))).toEqual([
      [1, 3],
      [2, 6],
      [4, 12],
    ]);
  });

  it('passes errors of the store on to all that wait, and asks again at the next call', async () => {
    store.hold();
    store.error = new Error('away');
    const calls = [1, 2, 3].map(() => decide(window));
    const outcomes = Promise.allSettled(calls);
    await store.reply();
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(store.costs).toEqual([1]);

    store.error = undefined;
    const next = decide(window);
    await store.reply();
    expect((await next).allowed).toBe(true);
  });

  it('asks the store about every other call, though under the same rules', async () => {
    const tight = { ...window, perUs: PER_US + FOR_US };
    const log: Rule = { ...common, id: 3, kind: 'slidingLog', limit: 5, perUs: PER_US };
    const block = { baseUs: PER_US, factor: 1, mostUs: PER_US, decayUs: 0 };
    const others: Rule[][] = [[window, log], [{ ...window, shadow: true }], [{ ...window, block } as Rule], [log]];
    for (const rules of others) for (let call = 0; call < 2; call++) await decide(...rules);
    const two = ['a', 'b'].map((key) => ({ key, rules: [window] }));
    await driver.decide(two, ++operation);

    expect(store.asked).toHaveLength(9);
    expect(store.asked[0]).toEqual([{ key: 'all', rules: [tight, log] }]);
    expect(store.asked[2]).toEqual([{ key: 'all', rules: [{ ...tight, shadow: true }] }]);
    expect(store.asked[4]).toEqual([{ key: 'all', rules: [{ ...tight, block }] }]);
    expect(store.asked[8]).toEqual(two.map(({ key }) => ({ key, rules: [tight] })));
  });

  it('corrects a call that was decided here like any other', async () => {
    await allowedOf(3, window);
    const { nowUs: chargedAtUs, verdicts } = await decide(window);
    const settlement = { key: 'all', rule: window, back: 1, operation, chargedAtUs, resetUs: verdicts[0]!.resetUs };

    await driver.settle([settlement]);

    expect(await left(window)).toBe(994);
  });

  it('spends nothing any more that was taken before a reset, and gives nothing back of it', async () => {
    await allowedOf(4, window);
    await driver.reset('all', [1]);
    store.hold();
    const next = decide(window);
    const meanwhile = driver.reset('all', [1]);
    await store.reply();
    await Promise.all([next, meanwhile]);
    void decide(window);
    pass(10 * FOR_US);

    expect(store.costs).toEqual([1, 2, 4, 4, 4]);
    expect(store.givenBack).toEqual([]);
  });

  it('spends nothing that was taken while a reset was under way', async () => {
    await allowedOf(7, window);
    store.hold();
    const resetting = driver.reset('all', [1]);
    const next = decide(window);
    await settled();
    await store.reply();
    await Promise.all([next, resetting]);
    void decide(window);

    expect(store.costs).toEqual([1, 2, 4, 4, 4]);
  });

  it('denies at once what is blocked', async () => {
    await allowedOf(4, window);
    await driver.block('all', 1, PER_US);

    expect((await decide(window)).allowed).toBe(false);
    await driver.block('all', 1, 0);
    expect((await decide(window)).allowed).toBe(true);
  });

  it('gives everything back when it is closed, also what is under way, and takes nothing ahead after that', async () => {
    await allowedOf(4, window);
    for (let call = 0; call < 7; call++) await driver.decide([{ key: 'another', rules: [window] }], ++operation);
    store.hold();
    const waiting = driver.decide([{ key: 'another', rules: [window] }], ++operation);
    const closing = driver.close();
    await store.reply();
    await Promise.all([waiting, closing]);
    expect(store.givenBack).toMatchObject([
      { key: 'all', back: 3 },
      { key: 'another', back: 7 },
    ]);
    expect(alarms).toEqual([]);

    for (let call = 0; call < 3; call++) {
      const late = decide(window);
      await store.reply();
      expect((await late).allowed).toBe(true);
    }
    expect(store.costs.slice(-3)).toEqual([1, 1, 1]);
  });
});
