import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { MemoryRateLimitDriver } from '../drivers/memory.driver.js';
import type { RateLimitDriver, Rule } from '../drivers/rate-limit-driver.js';
import type { LeaseClock } from './lease-clock.js';
import { LeasingRateLimitDriver } from './leasing.driver.js';

const PER_US = 1_000_000;
const PROCESSES = 3;

/** Time that passes only from event to event. */
class World {
  nowUs = 1_800_000_000_000_000;
  readonly #events: { atUs: number; run: () => void }[] = [];

  after(us: number, run: () => void): () => void {
    const event = { atUs: this.nowUs + Math.ceil(us), run };
    this.#events.push(event);
    return () => void (event.run = () => undefined);
  }

  async pass(us: number): Promise<void> {
    const endUs = this.nowUs + us;
    for (;;) {
      this.#events.sort((a, b) => a.atUs - b.atUs);
      const next = this.#events[0];
      if (!next || next.atUs > endUs) break;
      this.#events.shift();
      this.nowUs = next.atUs;
      next.run();
      await nextTurn();
    }
    this.nowUs = endUs;
    await nextTurn();
  }
}

/** A process with a clock of its own, some way from the store, that can die. */
class Process {
  readonly driver: LeasingRateLimitDriver;
  dead = false;

  constructor(world: World, store: RateLimitDriver, tripUs: () => number, offsetUs: number) {
    const clock: LeaseClock = {
      now: () => world.nowUs - offsetUs,
      wake: (us, run) => world.after(us, () => this.dead || run()),
    };
    const overNetwork = <T>(call: () => Promise<T>): Promise<T> =>
      new Promise((resolve) =>
        world.after(tripUs(), () => void call().then((value) => world.after(tripUs(), () => resolve(value)))),
      );
    const remote: RateLimitDriver = Object.assign(Object.create(store) as RateLimitDriver, {
      decide: ((charges, operation) =>
        overNetwork(() => store.decide(charges, operation))) as RateLimitDriver['decide'],
      settle: ((back) => overNetwork(() => store.settle(back))) as RateLimitDriver['settle'],
    });
    this.driver = new LeasingRateLimitDriver(remote, clock);
  }
}

const FOR_US = PER_US / 10;
const BUCKET_US = PER_US / 5;

interface Step {
  /** Microseconds, or until a bucket of the sliding window ends. */
  readonly wait: number | 'bucket' | 'almost bucket';
  /** Counted from when units were last taken one by one. */
  readonly sinceTaken?: boolean;
  readonly process: number;
  readonly calls: number;
  /** Each when the one before is decided, which makes a process take ever more ahead. */
  readonly oneByOne?: boolean;
  readonly cost?: number;
  readonly dies?: boolean;
}

const WAITS = [0, 1, FOR_US / 2, FOR_US - 1, FOR_US, PER_US - FOR_US, PER_US - 1, PER_US, PER_US + FOR_US] as const;

const anything: fc.Arbitrary<Step> = fc.record({
  wait: fc.oneof(fc.constantFrom(...WAITS, 'bucket' as const, 'almost bucket' as const), fc.nat(PER_US)),
  sinceTaken: fc.boolean(),
  process: fc.nat(PROCESSES - 1),
  calls: fc.constantFrom(1, 2, 7, 8, 9, 15, 40),
  oneByOne: fc.boolean(),
  cost: fc.constantFrom(1, 1, 1, 1, 2, 3),
  dies: fc.integer({ min: 0, max: 29 }).map((number) => number === 0),
});

/** How three processes go about it to get too much. */
interface Attack {
  /** After the beginning of a fixed window, shortly before its end, or by the buckets of a sliding one. */
  readonly begin: Step['wait'];
  readonly taken: number;
  /** Whether the next fixed window begins while units are held. */
  readonly next: number;
  readonly hold: number;
  readonly cost: number;
  readonly end: number;
}

const BEGINS = [0, PER_US * 0.99, 'bucket', 'almost bucket'] as const;
const ENDS = [PER_US - FOR_US, PER_US + 10, PER_US * 1.02, PER_US + FOR_US * 0.96] as const;

/** Two take ahead and spend it as late as they can, and the third takes what the store has left, and gives back later. */
function stepsOf({ begin, taken, next, hold, cost, end }: Attack): Step[] {
  return [
    { wait: 'bucket', process: 2, calls: 1 },
    { wait: begin, process: 0, calls: taken, oneByOne: true },
    { wait: 0, process: 1, calls: taken, oneByOne: true },
    { wait: PER_US * 0.012, sinceTaken: true, process: 2, calls: next },
    { wait: hold, sinceTaken: true, process: 0, calls: 40 },
    { wait: 0, process: 1, calls: 40 },
    { wait: 0, process: 2, calls: 40, cost },
    ...[0.2, 0.4, 0.6, 0.8].map((part) => ({ wait: PER_US * part, sinceTaken: true, process: 2, calls: 40, cost })),
    { wait: end, sinceTaken: true, process: 2, calls: 40, cost },
  ];
}

const attack: fc.Arbitrary<Step[]> = fc
  .record({
    begin: fc.constantFrom(...BEGINS),
    taken: fc.constantFrom(8, 9, 15),
    next: fc.nat(1),
    hold: fc.constantFrom(FOR_US * 0.5, FOR_US * 0.9, FOR_US * 0.97),
    cost: fc.constantFrom(1, 3),
    end: fc.constantFrom(...ENDS),
  })
  .map(stepsOf);

/** Those that are the worst without the tightening of the rules. */
const worstAttacks = BEGINS.flatMap((begin) =>
  ENDS.flatMap((end) =>
    [1, 3].map((cost) => {
      const once = stepsOf({ begin, taken: 8, next: 1, hold: FOR_US * 0.97, cost, end });
      return [...once, ...once];
    }),
  ),
);

interface Admitted {
  readonly atUs: number;
  readonly units: number;
}

interface Run {
  /** By when the process had both the call and the units. */
  readonly admitted: readonly Admitted[];
  /** What could be had at once after a quiet time. */
  readonly afterwards: number;
}

/** @param slowUs the slowest way to the store, or from it */
async function run(rule: Rule, steps: readonly Step[], slowUs: number): Promise<Run> {
  const world = new World();
  const memory = new MemoryRateLimitDriver(() => world.nowUs);
  const admitted: Admitted[] = [];
  let trips = 0;
  const tripUs = (): number => ((trips += 1) * 7_919) % slowUs;
  const start = (index: number): Process => new Process(world, memory, tripUs, index * 12_345_678);
  const processes = Array.from({ length: PROCESSES }, (_, index) => start(index));
  let operation = 0;
  let undecided = 0;
  let takenAtUs = world.nowUs;
  const call = (driver: RateLimitDriver, cost: number): void => {
    const calledAtUs = world.nowUs;
    undecided += 1;
    void driver.decide([{ key: 'all', rules: [{ ...rule, cost }] }], ++operation).then((decision) => {
      undecided -= 1;
      if (decision.allowed) admitted.push({ atUs: Math.max(calledAtUs, decision.nowUs), units: cost });
    });
  };

  for (const { wait, sinceTaken, process: index, calls, oneByOne, cost = 1, dies } of steps) {
    const toBucket = BUCKET_US - (world.nowUs % BUCKET_US) - (wait === 'bucket' ? 0 : 1);
    const untilUs = (sinceTaken ? takenAtUs : world.nowUs) + (typeof wait === 'string' ? toBucket : wait);
    await world.pass(Math.max(0, untilUs - world.nowUs));
    const process = processes[index]!;
    if (oneByOne) takenAtUs = world.nowUs;
    for (let made = 0; made < calls; made++) {
      call(process.driver, cost);
      if (oneByOne) await world.pass(Math.min(slowUs - 1, 1_000));
    }
    if (dies) {
      process.dead = true;
      processes[index] = start(index);
    }
  }

  while (undecided > 0) await world.pass(PER_US);
  await world.pass(3 * PER_US);
  const { driver } = new Process(world, memory, () => 0, 0);
  let afterwards = 0;
  for (let call = 0; call < 150; call++) {
    const decided = driver.decide([{ key: 'all', rules: [{ ...rule, cost: 1 }] }], ++operation);
    void decided.then(({ allowed }) => allowed && (afterwards += 1));
  }
  await world.pass(0);
  return { admitted, afterwards };
}

function mostIn(admitted: readonly Admitted[], perUs: number): number {
  const sorted = [...admitted].sort((a, b) => a.atUs - b.atUs);
  let [most, sum, from] = [0, 0, 0];
  for (const { atUs, units } of sorted) {
    sum += units;
    while (sorted[from]!.atUs <= atUs - perUs) sum -= sorted[from++]!.units;
    most = Math.max(most, sum);
  }
  return most;
}

describe('A limit that several processes take ahead from', () => {
  const common = { id: 1, cost: 1, shadow: false };
  const lease = { size: 8, forUs: FOR_US, perUs: PER_US };
  const kinds: [string, Rule, number, number][] = [
    ['gcra', { ...common, lease, kind: 'gcra', emissionUs: PER_US / 400, burst: 100 }, 400 + 100 - 1, 100],
    [
      'gcra with a small burst',
      { ...common, lease, kind: 'gcra', emissionUs: PER_US / 50, burst: 10 },
      50 + 10 - 1,
      10,
    ],
    ['a fixed window', { ...common, lease, kind: 'fixedWindow', limit: 40, perUs: PER_US }, 2 * 40 - 1, 40],
    [
      'a sliding window',
      { ...common, lease, kind: 'slidingWindow', limit: 40, bucketUs: BUCKET_US, buckets: 5 },
      40,
      40,
    ],
  ];
  const steps = fc
    .array(
      fc.oneof(
        anything.map((one) => [one]),
        attack,
      ),
      { minLength: 5, maxLength: 20 },
    )
    .map((parts) => parts.flat());

  it.each(kinds)(
    'of %s never admits more than its bound in any window, and nothing is lost for ever, also when processes die',
    async (_, rule, bound, atOnce) => {
      let most = 0;
      await fc.assert(
        fc.asyncProperty(steps, fc.constantFrom(1, 1, 2_000, 40_000, 3 * FOR_US), async (arrivals, slowUs) => {
          const { admitted, afterwards } = await run(rule, arrivals, slowUs);

          const worst = mostIn(admitted, PER_US);
          most = Math.max(most, worst);
          expect(worst).toBeLessThanOrEqual(bound);
          expect(afterwards).toBe(atOnce);
        }),
        {
          numRuns: worstAttacks.length + 40,
          examples: worstAttacks.map((arrivals) => [arrivals, 1]),
          endOnFailure: true,
        },
      );
      // The arrivals are such that they find the bound.
      expect(most).toBeGreaterThan(bound * 0.85);
    },
    60_000,
  );
});
