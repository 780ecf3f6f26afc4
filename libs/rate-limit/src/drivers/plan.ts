import { paceOf } from '../algorithms/gcra.js';
import type { Charge, Rule } from './rate-limit-driver.js';

/** The rules of a call as the script is told them. Calls with the same text share one. */
export class Plan {
  /** Tells plans apart. */
  readonly text: string;
  /** Of all subjects, in their order. */
  readonly rules: readonly Rule[];
  /** Whether it has places to give, so that it has to be known who takes them. */
  readonly hasPlaces: boolean;
  readonly #args: readonly string[] | undefined;

  /** @param subjects the rules of each subject */
  constructor(private readonly subjects: readonly (readonly Rule[])[]) {
    this.rules = subjects.flat();
    this.hasPlaces = this.rules.some(({ kind }) => kind === 'concurrency');
    const timeless = this.rules.every(({ kind }) => kind !== 'calendar');
    const args = argsOf(subjects, undefined);
    this.text = args.join(' ');
    // The periods of a calendar depend on when it is asked.
    this.#args = timeless ? args : undefined;
  }

  args(nowUs: number): readonly string[] {
    return this.#args ?? argsOf(this.subjects, nowUs);
  }
}

/** Makes plans, most of them once. */
export class Plans {
  readonly #known = new WeakMap<readonly Rule[], Plan>();

  of(charges: readonly Charge[]): Plan {
    if (charges.length !== 1) return new Plan(charges.map(({ rules }) => rules));
    const { rules } = charges[0]!;
    let plan = this.#known.get(rules);
    if (!plan) this.#known.set(rules, (plan = new Plan([rules])));
    return plan;
  }
}

function argsOf(subjects: readonly (readonly Rule[])[], nowUs: number | undefined): string[] {
  return [
    subjects.length,
    ...subjects.flatMap((rules) => [rules.length, ...rules.flatMap((rule) => ruleArgs(rule, nowUs))]),
  ].map(String);
}

function ruleArgs(rule: Rule, nowUs: number | undefined): number[] {
  const { id, cost, shadow, block } = rule;
  const flags = (shadow ? 1 : 0) + (block ? 2 : 0);
  const blockArgs = block ? [block.baseUs, block.factor, block.mostUs, block.decayUs] : [];
  return [id, KINDS[rule.kind], cost, flags, ...shapeArgs(rule, nowUs), ...blockArgs];
}

/** What decide.lua calls the kinds of rules. */
export const KINDS: Record<Rule['kind'], number> = {
  gcra: 1,
  fixedWindow: 2,
  slidingWindow: 3,
  slidingLog: 4,
  calendar: 5,
  concurrency: 6,
};

function shapeArgs(rule: Rule, nowUs: number | undefined): number[] {
  switch (rule.kind) {
    case 'gcra':
      return [rule.emissionUs, rule.burst, paceOf(rule.emissionUs)];
    case 'fixedWindow':
    case 'slidingLog':
      return [rule.limit, rule.perUs, 0];
    case 'slidingWindow':
      return [rule.limit, rule.bucketUs, rule.buckets];
    case 'calendar': {
      if (nowUs === undefined) return [rule.limit];
      const { startUs, endUs, nextEndUs } = rule.calendar.around(nowUs);
      return [rule.limit, startUs, endUs, nextEndUs];
    }
    case 'concurrency':
      return [rule.limit, rule.leaseUs, 0];
  }
}
