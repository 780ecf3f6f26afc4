import type { Decision, Rule, Settlement, Verdict } from '../drivers/rate-limit-driver.js';

/** What the store was asked for, and when, by the clock of this process. */
export interface Asked {
  readonly key: string;
  readonly rules: readonly Rule[];
  readonly operation: number;
  readonly sentAtUs: number;
}

// Two clocks may run at different rates, though never by as much as this part of what they measure.
const CLOCK_MARGIN = 0.01;

/** Units that the store has charged and nobody has spent yet. */
export class UnitsAhead {
  /** By the clock of this process. Counted from the question: the store has charged them later than that. */
  readonly endsAtUs: number;
  readonly #rest: number[];
  #spentCalls = 0;

  constructor(
    private readonly asked: Asked,
    private readonly decision: Decision,
    forUs: number,
  ) {
    this.endsAtUs = asked.sentAtUs + forUs * (1 - CLOCK_MARGIN);
    this.#rest = asked.rules.map(({ cost }) => cost);
  }

  get spentCalls(): number {
    return this.#spentCalls;
  }

  /** Of each rule. */
  get rest(): readonly number[] {
    return this.#rest;
  }

  covers(costs: readonly number[]): boolean {
    return costs.every((cost, index) => this.#rest[index]! >= cost);
  }

  /** @returns the decision: that of the store at the moment of the charge, and what is left here remains, too. */
  spend(costs: readonly number[]): Decision {
    costs.forEach((cost, index) => (this.#rest[index]! -= cost));
    this.#spentCalls += 1;
    return { allowed: true, nowUs: this.decision.nowUs, verdicts: this.decision.verdicts.map(this.#verdict) };
  }

  /** Takes out what is left, to be given back to the store. */
  takeRest(): readonly Settlement[] {
    const { key, rules, operation } = this.asked;
    const { nowUs, verdicts } = this.decision;
    return this.#rest.splice(0, rules.length, ...rules.map(() => 0)).flatMap((back, index) => {
      const settlement = { key, rule: rules[index]!, back, operation, chargedAtUs: nowUs };
      return back > 0 ? [{ ...settlement, resetUs: verdicts[index]!.resetUs }] : [];
    });
  }

  readonly #verdict = ({ remaining, resetUs }: Verdict, index: number): Verdict => ({
    ok: true,
    remaining: remaining + this.#rest[index]!,
    retryUs: 0,
    resetUs,
  });
}
