import type { GcraRule } from '../drivers/rate-limit-driver.js';
import type { Evaluation } from './algorithm.js';

/** The theoretical arrival time: when the bucket will be full again. */
export type GcraState = number;

/**
 * The virtual scheduling algorithm of ITU-T I.371, with a limit that may have been lowered since: a time that is further
 * away than an empty bucket is brought back to that.
 */
export function evaluateGcra(
  { emissionUs, burst, cost }: GcraRule,
  state: GcraState | undefined,
  nowUs: number,
): Evaluation<GcraState> {
  const tolerance = emissionUs * burst;
  const arrival = Math.min(Math.max(state ?? nowUs, nowUs), nowUs + tolerance);
  const next = arrival + emissionUs * cost;
  const allowedAt = next - tolerance;
  const left = (until: number): number => Math.floor((nowUs + tolerance - until) / emissionUs);
  const before = { remaining: left(arrival), resetUs: arrival - nowUs };
  if (allowedAt > nowUs) return { ok: false, retryUs: allowedAt - nowUs, before, after: undefined };
  return { ok: true, retryUs: 0, before, after: { remaining: left(next), resetUs: next - nowUs, state: next } };
}
