import type { Settlement } from '../drivers/rate-limit-driver.js';
import type { RuleState } from './evaluate.js';

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
    const arrival = Math.max(known?.kind === 'gcra' ? known.state : nowUs, nowUs);
    const whole = back * rule.emissionUs;
    const given = back > 0 ? Math.min(whole, Math.max(0, chargedAtUs + resetUs - nowUs)) : whole;
    const state = Math.max(nowUs, arrival - given);
    return state === nowUs ? undefined : { kind: 'gcra', state };
  }
  if (rule.kind === 'slidingLog') {
    const taken = known?.kind === 'slidingLog' ? known.state : [];
    let wanted = back;
    const kept = taken.filter((at) => at !== chargedAtUs || wanted-- <= 0);
    const state = [...kept, ...Array.from({ length: Math.max(0, -back) }, () => nowUs)];
    return { kind: 'slidingLog', state };
  }
  if (!known || known.kind !== rule.kind) return known;
  if (known.kind === 'fixedWindow' || known.kind === 'calendar') {
    const { endsAt, count } = known.state;
    if (endsAt !== chargedAtUs + resetUs || endsAt <= nowUs) return known;
    return { ...known, state: { endsAt, count: Math.max(0, count - back) } };
  }
  if (known.kind === 'slidingWindow' && rule.kind === 'slidingWindow') {
    const { bucketUs, newest, counts } = known.state;
    const age = newest - Math.floor(chargedAtUs / rule.bucketUs);
    if (bucketUs !== rule.bucketUs || age < 0 || age >= counts.length) return known;
    return { ...known, state: { bucketUs, newest, counts: counts.with(age, Math.max(0, counts[age]! - back)) } };
  }
  if (known.kind === 'concurrency') {
    return { ...known, state: known.state.filter((place) => place.operation !== operation) };
  }
  return known;
}
