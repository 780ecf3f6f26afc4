import type { FixedWindowRule } from '../drivers/rate-limit-driver.js';
import type { Evaluation } from './algorithm.js';

export interface FixedWindowState {
  readonly endsAt: number;
  readonly count: number;
}

/** Begins at the first call. */
export function evaluateFixedWindow(
  { limit, perUs, cost }: FixedWindowRule,
  state: FixedWindowState | undefined,
  nowUs: number,
): Evaluation<FixedWindowState> {
  return countInWindow(limit, cost, state, nowUs, nowUs + perUs);
}

/**
 * Counts in the window that runs. One that would end later than a new one, because the rule was another, ends with that.
 *
 * @param freshEnd when a window ends that begins now
 */
export function countInWindow(
  limit: number,
  cost: number,
  state: FixedWindowState | undefined,
  nowUs: number,
  freshEnd: number,
): Evaluation<FixedWindowState> {
  const runs = state !== undefined && state.endsAt > nowUs;
  const endsAt = runs ? Math.min(state.endsAt, freshEnd) : freshEnd;
  const count = runs ? state.count : 0;
  const resetUs = endsAt - nowUs;
  const before = { remaining: Math.max(0, limit - count), resetUs: runs ? resetUs : 0 };
  const next = count + cost;
  // Nothing is stored by a denial, so that the window goes on as it is.
  const retryUs = runs ? state.endsAt - nowUs : resetUs;
  if (next > limit) return { ok: false, retryUs, before, after: undefined };
  return { ok: true, retryUs: 0, before, after: { remaining: limit - next, resetUs, state: { endsAt, count: next } } };
}
