import type { FixedWindowRule, GcraRule, Rule, SlidingWindowRule } from '../drivers/rate-limit-driver.js';
import type { Lease } from './lease-options.js';

/** A rule whose units can be taken ahead. */
export type LeasableRule = (GcraRule | FixedWindowRule | SlidingWindowRule) & { readonly lease: Lease };

/**
 * The rule that the store is asked by, so that the bound of `rule` holds for what is spent.
 *
 * Let `for` be the length of a lease, and `per` that of the window for which the bound is stated. A unit that the store has
 * charged at a moment t is spent from t on, and before t + `for`: a lease is counted from before it was asked for. So what is
 * spent in a window of `per`, [a, a + `per`), was charged between a - `for` and a + `per`: within less than `per` + `for`. It
 * remains to see that a rule lengthened by `for` charges no more in such a time than the rule itself bounds in `per`.
 *
 * - Sliding window, bound `limit`: never more than `limit` is charged in any `bucketUs * buckets`, and that is lengthened to
 *   at least `per` + `for`.
 * - GCRA, bound `burst + limit - 1`, with one per `emissionUs >= per / limit`: in less than T it charges at most `burst` and
 *   one more per whole emission interval that fits. With T = `per` + `for` and an interval that is (`per` + `for`) / `per` times
 *   as long, so at least T / `limit`, that are less than `limit`.
 * - Fixed window, bound `2 * limit - 1`: windows of `per` + `for` do not overlap, so less than that meets two of them at most,
 *   with `limit` each. Of the call that has begun the first, all is spent before begin + `for`, and of the second window
 *   nothing before begin + `per` + `for`: both never meet in `per`, so one unit is missing at least.
 *
 * What is given back was never spent, and the store takes back only as much of it as has not run off by itself
 * ({@link RateLimitDriver.settle}). So its state is never less than if it had been asked only for what was spent.
 *
 * All calls under a rule with a lease are asked by the same tightened rule, with or without a lease: else those without
 * would be given what the others have taken late. In less than `per` more may come than without leases: of GCRA at most
 * what is given in `for`, at once.
 */
export function tightened(rule: Rule): Rule {
  if (!canBeLeased(rule)) return rule;
  const { forUs, perUs } = rule.lease;
  switch (rule.kind) {
    case 'gcra':
      return { ...rule, emissionUs: scaled(rule.emissionUs, perUs + forUs, perUs) };
    case 'fixedWindow':
      return { ...rule, perUs: rule.perUs + forUs };
    case 'slidingWindow':
      return { ...rule, bucketUs: rule.bucketUs + Math.ceil(forUs / rule.buckets) };
  }
}

export function canBeLeased(rule: Rule): rule is LeasableRule {
  return rule.lease !== undefined && KINDS.has(rule.kind);
}

const KINDS: ReadonlySet<Rule['kind']> = new Set(['gcra', 'fixedWindow', 'slidingWindow']);

/** Rounded up. Products of times are beyond what a number holds exactly. */
function scaled(us: number, times: number, by: number): number {
  return Number((BigInt(us) * BigInt(times) + BigInt(by) - 1n) / BigInt(by));
}
