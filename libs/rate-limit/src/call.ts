import type { RateLimitDecision } from './decision.js';
import type { ResolvedPolicy } from './policies/resolve-policy.js';

/** One policy of a call, and whom it applies to. */
export interface CallPart {
  readonly policy: ResolvedPolicy;
  readonly subject: string;
  /** How many times the limit of the policy this subject has, which is in `policy` already. @default 1 */
  readonly times?: number;
  /** @default that of the policy */
  readonly cost?: number;
}

/** A call that was decided. */
export interface OpenCall {
  readonly decision: RateLimitDecision;
  /**
   * Tells how the call went, once: frees its places, and gives back what its policies do not count; of a caller who left before
   * the answer nobody knows, and nothing is given back. Needed only if the call
   * was allowed. Never throws; what cannot be told is forgotten by the store in time.
   */
  finish(outcome: 'success' | 'failure' | 'unknown'): void;
  /** Gives all back, instead of `finish`: the call was denied by something else that is decided later. */
  cancel(): void;
}
