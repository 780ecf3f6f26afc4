import type { SlidingWindowRule } from '../drivers/rate-limit-driver.js';
import type { Evaluation } from './algorithm.js';

export interface SlidingWindowState {
  readonly bucketUs: number;
  /** The number of the newest bucket: its beginning, divided by `bucketUs`. */
  readonly newest: number;
  /** From the newest to the oldest. */
  readonly counts: readonly number[];
}

/**
 * Counts the current bucket and all of the `buckets` before it, of which the oldest may lie partly outside of the window:
 * so it never admits too many, and may admit one bucket later than a log would.
 */
export function evaluateSlidingWindow(
  rule: SlidingWindowRule,
  state: SlidingWindowState | undefined,
  nowUs: number,
): Evaluation<SlidingWindowState> {
  const { limit, bucketUs, buckets, cost } = rule;
  const newest = Math.floor(nowUs / bucketUs);
  const counts = countsAt(rule, state, newest);
  const sum = counts.reduce((total, count) => total + count, 0);
  const endOf = (age: number): number => (newest - age + buckets + 1) * bucketUs - nowUs;
  const oldest = counts.findLastIndex((count) => count > 0);
  const youngest = counts.findIndex((count) => count > 0);
  const before = { remaining: Math.max(0, limit - sum), resetUs: youngest === -1 ? 0 : endOf(youngest) };
  if (sum + cost <= limit) {
    const next = oldest <= 0 ? [counts[0]! + cost] : [counts[0]! + cost, ...counts.slice(1, oldest + 1)];
    const after = { remaining: limit - sum - cost, resetUs: endOf(0), state: { bucketUs, newest, counts: next } };
    return { ok: true, retryUs: 0, before, after };
  }
  let age = oldest;
  for (let freed = counts[age]!; freed < sum + cost - limit; freed += counts[age]!) age -= 1;
  return { ok: false, retryUs: endOf(age), before, after: undefined };
}

/** From the newest bucket to the oldest that counts; what was counted in buckets of another width counts as of now. */
function countsAt(
  { bucketUs, buckets }: SlidingWindowRule,
  state: SlidingWindowState | undefined,
  newest: number,
): number[] {
  const counts = Array.from({ length: buckets + 1 }, () => 0);
  state?.counts.forEach((count, index) => {
    const age = state.bucketUs === bucketUs ? Math.max(0, newest - state.newest + index) : 0;
    if (age <= buckets) counts[age]! += count;
  });
  return counts;
}
