import type { ConcurrencyRule } from '../drivers/rate-limit-driver.js';
import type { Evaluation } from './algorithm.js';

/** Who holds a place, and until when. */
export type ConcurrencyState = readonly { readonly operation: number; readonly endsAt: number }[];

const SOON_US = 1_000_000;

export function evaluateConcurrency(
  { limit, leaseUs }: ConcurrencyRule,
  state: ConcurrencyState | undefined,
  nowUs: number,
  operation: number,
): Evaluation<ConcurrencyState> {
  const held = (state ?? []).filter(({ endsAt }) => endsAt > nowUs);
  const ends = held.map(({ endsAt }) => endsAt);
  const resetUs = Math.max(0, Math.max(0, ...ends) - nowUs);
  const before = { remaining: Math.max(0, limit - held.length), resetUs };
  // Any of them may be freed at any time.
  if (held.length >= limit)
    return { ok: false, retryUs: Math.min(Math.min(...ends) - nowUs, SOON_US), before, after: undefined };
  const next = [...held, { operation, endsAt: nowUs + leaseUs }];
  const after = { remaining: before.remaining - 1, resetUs: Math.max(resetUs, leaseUs), state: next };
  return { ok: true, retryUs: 0, before, after };
}
