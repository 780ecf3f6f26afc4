import type { Rule } from '../drivers/rate-limit-driver.js';
import { canBeLeased, tightened, type LeasableRule } from './tightened-rule.js';

/** The rules of a call, as the store is asked by them. */
export class AskedRules {
  /** See {@link tightened}. */
  readonly rules: readonly Rule[];
  /** Undefined unless all of them are leased. */
  readonly leased: LeasedRules | undefined;

  constructor(rules: readonly Rule[]) {
    this.rules = rules.map(tightened);
    this.leased = rules.every(isLeased) ? new LeasedRules(rules, this.rules) : undefined;
  }
}

/** Rules that are all leased. Calls that differ only in what they cost share what was taken ahead. */
export class LeasedRules {
  /** What the call takes of each. */
  readonly costs: readonly number[];
  /** How much of each is taken ahead at most. */
  readonly sizes: readonly number[];
  readonly forUs: number;
  readonly ids: readonly number[];
  /** The same for calls that can share a lease. */
  readonly signature: string;
  readonly #asked: readonly Rule[];

  /** @param asked the same, as the store is asked by them */
  constructor(rules: readonly LeasableRule[], asked: readonly Rule[]) {
    this.costs = rules.map(({ cost }) => cost);
    this.sizes = rules.map(({ lease }) => lease.size);
    this.forUs = Math.min(...rules.map(({ lease }) => lease.forUs));
    this.ids = rules.map(({ id }) => id);
    this.signature = JSON.stringify(rules.map((rule) => ({ ...rule, cost: 0 })));
    this.#asked = asked;
  }

  /** Whether the call takes exactly that. */
  cost(units: readonly number[]): boolean {
    return this.costs.every((cost, index) => cost === units[index]);
  }

  /** The rules with what is taken of each. */
  taking(units: readonly number[]): readonly Rule[] {
    if (this.cost(units)) return this.#asked;
    return this.#asked.map((rule, index) => ({ ...rule, cost: units[index] }) as Rule);
  }
}

/**
 * A rule in the shadow is asked about each call, as its report would be wrong otherwise; and so is one that blocks, as it
 * must not begin a block because more was asked for than the call takes.
 */
function isLeased(rule: Rule): rule is LeasableRule {
  return canBeLeased(rule) && !rule.shadow && rule.block === undefined;
}
