import type { GcraRule } from '../drivers/rate-limit-driver.js';
import type { Evaluation } from './algorithm.js';

/** The theoretical arrival time, when the bucket will be full again, and by which emission interval it is that: see {@link paceOf}. */
export interface GcraState {
  readonly pace: number;
  readonly arrivalUs: number;
}

const STEPS = 1_024;

/** An emission interval in two bytes: 1024 times its binary logarithm, which is right to a third of a thousandth. */
export function paceOf(emissionUs: number): number {
  return Math.round(Math.log2(emissionUs) * STEPS);
}

/** The emission interval by which units were taken: that of the rule, unless the rule was another then. */
export function emissionAt(pace: number, emissionUs: number): number {
  return pace === paceOf(emissionUs) ? emissionUs : Math.floor(2 ** (pace / STEPS) + 0.5);
}

/**
 * The virtual scheduling algorithm of ITU-T I.371, with a limit that may have been changed since: what was taken counts by its
 * units, which run off at the old rate until the next ones are taken. So a lowered limit gives no free burst, and a raised
 * one frees at once.
 */
export function evaluateGcra(
  { emissionUs, burst, cost }: GcraRule,
  state: GcraState | undefined,
  nowUs: number,
): Evaluation<GcraState> {
  const aheadUs = state ? Math.max(0, state.arrivalUs - nowUs) : 0;
  const paid = state ? emissionAt(state.pace, emissionUs) : emissionUs;
  const left = (each: number, takenUs: number): number => Math.max(0, Math.floor((each * burst - takenUs) / each));
  const before = { remaining: left(paid, aheadUs), resetUs: aheadUs };
  const retryUs = aheadUs - paid * (burst - cost);
  if (retryUs > 0) return { ok: false, retryUs, before, after: undefined };
  const kept = paid === emissionUs ? aheadUs : Math.ceil((aheadUs / paid) * emissionUs);
  const resetUs = kept + emissionUs * cost;
  const next = { pace: paceOf(emissionUs), arrivalUs: nowUs + resetUs };
  return { ok: true, retryUs: 0, before, after: { remaining: left(emissionUs, resetUs), resetUs, state: next } };
}
