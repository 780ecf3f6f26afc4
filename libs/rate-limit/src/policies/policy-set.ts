import type { DeniedSubjects } from '../deny-cache/denied-subjects.js';
import type { Rule } from '../drivers/rate-limit-driver.js';
import { RateLimitCallError, RateLimitCostError } from '../rate-limit.errors.js';
import type { ResolvedPolicy } from './resolve-policy.js';

/** Policies of one subject that are decided together. */
export class PolicySet {
  /** Of calls that do not say what they cost. */
  readonly #usual: readonly Rule[];
  /** The name of one whose limit depends on the caller, and is not known. */
  readonly unsettled: string | undefined;
  /** The name of one that counts calls under way. */
  readonly places: string | undefined;
  /** Whom they deny for now, if that is remembered. */
  denied: DeniedSubjects | undefined;

  constructor(readonly policies: readonly ResolvedPolicy[]) {
    this.unsettled = policies.find(({ limitFor }) => limitFor !== undefined)?.name;
    this.places = policies.find(({ shape }) => shape.kind === 'concurrency')?.name;
    this.#usual = policies.map((policy) => ruleOf(policy, policy.cost));
  }

  /** @throws RateLimitCallError, RateLimitCostError */
  rules(cost: number | undefined): readonly Rule[] {
    return cost === undefined ? this.#usual : this.policies.map((policy) => costingRule(policy, cost));
  }
}

/**
 * A policy as a rule for a call that says what it costs. A call of any cost takes one place among those under way.
 *
 * @throws RateLimitCallError, RateLimitCostError
 */
export function costingRule(policy: ResolvedPolicy, cost: number): Rule {
  if (!Number.isSafeInteger(cost) || cost < 1) {
    throw new RateLimitCallError(`The cost of a call is ${String(cost)}. Give a whole number of 1 or more.`);
  }
  if (policy.shape.kind === 'concurrency') return ruleOf(policy, 1);
  if (cost > policy.capacity) throw new RateLimitCostError(policy.name, cost, policy.capacity);
  return ruleOf(policy, cost);
}

function ruleOf({ id, shadow, block, lease, shape }: ResolvedPolicy, cost: number): Rule {
  return { id, cost, shadow, ...(block && { block }), ...(lease && { lease }), ...shape } as Rule;
}
