import type { LeasedRules } from './leased-rules.js';

/** How much the store is asked for. */
export interface UnitsToAsk {
  /** Of each rule. */
  readonly each: readonly number[];
  /** How many of the calls that wait are covered, from the first on. */
  readonly calls: number;
}

// So that processes that all take ahead leave something to each other, and less of it the nearer the limit is.
const LEFT_TO_OTHERS = 4;

/**
 * What the first of the calls costs, and as many of the others that wait as what remains is enough for: those are spent at
 * once. If there is more to expect, `pace` calls like the first, as far as `size` and a quarter of what remains go.
 *
 * @param remaining of each rule; where it is not known, the first asks for itself alone
 */
export function unitsToAsk(
  calls: readonly LeasedRules[],
  remaining: readonly number[] | undefined,
  pace: number,
): UnitsToAsk {
  const { costs, sizes } = calls[0]!;
  if (!remaining) return { each: costs, calls: 1 };
  const sum = [...costs];
  let covered = 1;
  for (const { costs } of calls.slice(1)) {
    if (costs.some((cost, index) => sum[index]! + cost > remaining[index]!)) break;
    costs.forEach((cost, index) => (sum[index]! += cost));
    covered += 1;
  }
  const times = costs.map((cost, index) =>
    Math.floor(Math.min(sizes[index]!, remaining[index]! / LEFT_TO_OTHERS) / cost),
  );
  const ahead = Math.min(pace, ...times);
  return { each: sum.map((units, index) => Math.max(units, ahead * costs[index]!)), calls: covered };
}
