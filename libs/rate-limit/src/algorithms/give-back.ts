import type { Settlement } from '../drivers/rate-limit-driver.js';
import type { RuleState } from './evaluate.js';
import { emissionAt, paceOf } from './gcra.js';

// What four bytes hold, and seven as a whole number.
const MOST_COUNT = 2 ** 32 - 1;
const LATEST_US = 2 ** 53 - 1;

/**
 * The state after a correction; undefined if nothing of it is left.
 *
 * Of a bucket, as much as is still ahead of what there was right after the call. That is never more than what its state would be
 * lower without the call: until the backlog before the call has run off, both shrink alike, and after that only the one with it.
 * Of a window, only while that window still counts.
 */
export function giveBack(
  { rule, back, operation, chargedAtUs, resetUs }: Settlement,
  known: RuleState | undefined,
  nowUs: number,
): RuleState | undefined {
  if (rule.kind === 'gcra') {
    const state = known?.kind === 'gcra' ? known.state : { pace: paceOf(rule.emissionUs), arrivalUs: nowUs };
    const whole = back * emissionAt(state.pace, rule.emissionUs);
    const given = back > 0 ? Math.min(whole, Math.max(0, chargedAtUs + resetUs - nowUs)) : whole;
    const arrivalUs = Math.max(nowUs, Math.max(state.arrivalUs, nowUs) - given);
    if (arrivalUs === nowUs) return undefined;
    return { kind: 'gcra', state: { pace: state.pace, arrivalUs: Math.min(arrivalUs, LATEST_US) } };
  }
  if (rule.kind === 'slidingLog') {
    const taken = known?.kind === 'slidingLog' ? known.state : [];
    let wanted = back;
    const kept = taken.filter((at) => at !== chargedAtUs || wanted-- <= 0);
    const more = Array.from({ length: Math.min(Math.max(0, -back), rule.limit) }, () => nowUs);
    // It keeps no more than it needs to deny everything.
    return { kind: 'slidingLog', state: [...kept, ...more].slice(-rule.limit) };
  }
  if (!known || known.kind !== rule.kind) return known;
  if (known.kind === 'fixedWindow' || known.kind === 'calendar') {
    const { endsAt, count } = known.state;
    if (endsAt !== chargedAtUs + resetUs || endsAt <= nowUs) return known;
    return { ...known, state: { endsAt, count: within(count - back) } };
  }
  if (known.kind === 'slidingWindow' && rule.kind === 'slidingWindow') {
    const { bucketUs, newest, counts } = known.state;
    const age = newest - Math.floor(chargedAtUs / rule.bucketUs);
    if (bucketUs !== rule.bucketUs || age < 0 || age >= counts.length) return known;
    return { ...known, state: { bucketUs, newest, counts: counts.with(age, within(counts[age]! - back)) } };
  }
  if (known.kind === 'concurrency') {
    return { ...known, state: known.state.filter((place) => place.operation !== operation) };
  }
  return known;
}

function within(count: number): number {
  return Math.min(MOST_COUNT, Math.max(0, count));
}
