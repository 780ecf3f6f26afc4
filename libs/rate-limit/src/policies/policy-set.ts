import type { Rule } from '../drivers/rate-limit-driver.js';
import { RateLimitCallError, RateLimitCostError } from '../rate-limit.errors.js';
import type { ResolvedPolicy } from './resolve-policy.js';

/** Policies that are decided together. */
export class PolicySet {
  /** Of calls that do not say what they cost. */
  readonly #usual: readonly Rule[];

  constructor(readonly policies: readonly ResolvedPolicy[]) {
    this.#usual = policies.map((policy) => ruleOf(policy, policy.cost));
  }

  /** @throws RateLimitCallError, RateLimitCostError */
  rules(cost: number | undefined): readonly Rule[] {
    if (cost === undefined) return this.#usual;
    if (!Number.isSafeInteger(cost) || cost < 1) {
      throw new RateLimitCallError(`The cost of a call is ${String(cost)}. Give a whole number of 1 or more.`);
    }
    return this.policies.map((policy) => {
      if (cost > policy.capacity) throw new RateLimitCostError(policy.name, cost, policy.capacity);
      return ruleOf(policy, cost);
    });
  }
}

function ruleOf({ id, shadow, shape }: ResolvedPolicy, cost: number): Rule {
  return { id, cost, shadow, ...shape } as Rule;
}
