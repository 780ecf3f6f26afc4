import type { SlidingLogRule } from '../drivers/rate-limit-driver.js';
import type { Evaluation } from './algorithm.js';

/** When each unit was taken, the oldest first. */
export type SlidingLogState = readonly number[];

export function evaluateSlidingLog(
  { limit, perUs, cost }: SlidingLogRule,
  state: SlidingLogState | undefined,
  nowUs: number,
): Evaluation<SlidingLogState> {
  // A clock that was set back must not make them count for longer.
  const taken = (state ?? []).filter((at) => at > nowUs - perUs).map((at) => Math.min(at, nowUs));
  const last = taken.at(-1);
  const before = {
    remaining: Math.max(0, limit - taken.length),
    resetUs: last === undefined ? 0 : last + perUs - nowUs,
  };
  const excess = taken.length + cost - limit;
  if (excess > 0) return { ok: false, retryUs: taken[excess - 1]! + perUs - nowUs, before, after: undefined };
  const next = [...taken, ...Array.from({ length: cost }, () => nowUs)];
  return { ok: true, retryUs: 0, before, after: { remaining: limit - next.length, resetUs: perUs, state: next } };
}
