import type { Conditions } from '../history/conditions.js';
import { markOf, type History, type HoldHistory } from '../history/history.js';
import { byKey } from './by-key.js';

/**
 * Until when a hold was a live and timely one: it was given back, its signal had aborted, or its validity was over. An operator
 * who takes a lock away ends it, too, whether or not its holder has heard of that.
 */
export function heldUntil(hold: HoldHistory, { forces }: History): number {
  const { askedAt, grantedAt, endedAt, abortedAt = Infinity, validUntil, lost, endedAs } = hold;
  const end = Math.min(endedAt, abortedAt, validUntil);
  // One that was told of its grant late may have been taken away before that.
  const since = lost || endedAs !== undefined ? askedAt : grantedAt;
  const forced = forces.filter(({ key, from, to }) => hold.keys.includes(key) && to > since && from < end);
  return Math.min(end, ...forced.map(({ from }) => Math.max(from, grantedAt)));
}

/** Whether a failover lay between two grants, so that the later one could not know of the earlier. */
export function isExcused(one: HoldHistory, other: HoldHistory, { losses }: Conditions): boolean {
  const [earlier, later] = one.grantedAt < other.grantedAt ? [one, other] : [other, one];
  return losses.some(({ from, to }) => earlier.grantedAt <= to && later.grantedAt >= from);
}

/** The holds of each key in the order in which they were granted. */
export function holdsByKey({ holds }: History): Map<string, HoldHistory[]> {
  const groups = byKey(holds, ({ keys }) => keys);
  for (const group of groups.values()) group.sort((one, other) => one.grantedAt - other.grantedAt);
  return groups;
}

export function describeHold(hold: HoldHistory): string {
  return `${markOf(hold)} (token ${hold.token}, granted at ${hold.grantedAt.toFixed(2)})`;
}
