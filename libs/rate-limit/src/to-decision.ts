import type { PolicyState, RateLimitDecision } from './decision.js';
import type { Decision } from './drivers/rate-limit-driver.js';
import type { ResolvedPolicy } from './policies/resolve-policy.js';

const US_PER_MS = 1_000;

/**
 * What users are told of a decision.
 *
 * @param policies for each verdict
 * @param shared whether the store has decided
 */
export function toDecision(
  { allowed, nowUs, verdicts }: Decision,
  policies: readonly ResolvedPolicy[],
  shared: boolean,
): RateLimitDecision {
  const violated: string[] = [];
  const states: PolicyState[] = [];
  let remaining = Number.POSITIVE_INFINITY;
  let remainingInShadow = Number.POSITIVE_INFINITY;
  let retryUs = 0;
  let latestUs = 0;
  for (const [index, { name, limit, shadow }] of policies.entries()) {
    const verdict = verdicts[index]!;
    // Of several networks of one caller each has the policy.
    if (!verdict.ok && !violated.includes(name)) violated.push(name);
    if (shadow) remainingInShadow = Math.min(remainingInShadow, verdict.remaining);
    else {
      remaining = Math.min(remaining, verdict.remaining);
      if (!verdict.ok) retryUs = Math.max(retryUs, verdict.retryUs);
    }
    latestUs = Math.max(latestUs, verdict.resetUs);
    const resetMs = Math.ceil(verdict.resetUs / US_PER_MS);
    states.push({ name, limit, remaining: verdict.remaining, resetMs, denies: !verdict.ok });
  }
  return {
    allowed,
    remaining: Number.isFinite(remaining) ? remaining : remainingInShadow,
    retryAfterMs: Math.ceil(retryUs / US_PER_MS),
    resetAt: new Date(Math.ceil(nowUs / US_PER_MS) + Math.ceil(latestUs / US_PER_MS)),
    violated,
    policies: states,
    shared,
  };
}
