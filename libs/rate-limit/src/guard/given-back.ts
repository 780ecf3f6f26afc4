import type { CallPart } from '../call.js';
import type { PolicyState, RateLimitDecision } from '../decision.js';

/**
 * What a decision says once its call is cancelled: there is as much as before the call.
 *
 * @param parts those of the decision, in its order
 */
export function givenBack(decision: RateLimitDecision, parts: readonly CallPart[]): RateLimitDecision {
  const policies = decision.policies.map((state, index) => stateBefore(state, parts[index]!, decision.shared));
  const enforced = policies.filter((_, index) => !parts[index]!.policy.shadow);
  const counted = enforced.length > 0 ? enforced : policies;
  return { ...decision, policies, remaining: Math.min(...counted.map(({ remaining }) => remaining)) };
}

function stateBefore(state: PolicyState, { policy, cost = policy.cost }: CallPart, shared: boolean): PolicyState {
  // What would have denied it, and what lets all pass while Redis is away, was not charged.
  const isCharged = !state.denies && (shared || policy.onOutage === 'local');
  return isCharged ? { ...state, remaining: state.remaining + cost } : state;
}
