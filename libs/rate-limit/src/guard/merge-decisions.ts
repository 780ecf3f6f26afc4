import type { RateLimitDecision } from '../decision.js';

/** What two decisions of one call come to: what the second denies is denied. */
export function mergeDecisions(first: RateLimitDecision, second: RateLimitDecision): RateLimitDecision {
  return {
    allowed: first.allowed && second.allowed,
    remaining: Math.min(first.remaining, second.remaining),
    retryAfterMs: Math.max(first.retryAfterMs, second.retryAfterMs),
    resetAt: first.resetAt > second.resetAt ? first.resetAt : second.resetAt,
    violated: [...new Set([...first.violated, ...second.violated])],
    policies: [...first.policies, ...second.policies],
    shared: first.shared && second.shared,
  };
}
