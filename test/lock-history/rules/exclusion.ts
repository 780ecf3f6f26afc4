import type { Conditions } from '../history/conditions.js';
import { markOf, type History, type HoldHistory } from '../history/history.js';
import { describeHold, heldUntil, holdsByKey, isExcused } from './holding.js';
import type { Violation } from './violation.js';

/** Two live, timely holders of one lock at the same moment. Those that a failover explains are not among them, see {@link countDoubleGrants}. */
export function checkExclusion(history: History, conditions: Conditions): Violation[] {
  const overlaps = findOverlaps(history).filter(([one, other]) => !isExcused(one, other, conditions));
  return [
    ...overlaps.map(([one, other, key]) =>
      violation(other.grantedAt, `${describeHold(one)} and ${describeHold(other)} both hold ${key}`),
    ),
    ...checkMarks(history, conditions),
  ];
}

/** How many grants overlap another because of a failover: replication is asynchronous, so that cannot be excluded. */
export function countDoubleGrants(history: History, conditions: Conditions): number {
  return findOverlaps(history).filter(([one, other]) => isExcused(one, other, conditions)).length;
}

function findOverlaps(history: History): [HoldHistory, HoldHistory, string][] {
  const overlaps: [HoldHistory, HoldHistory, string][] = [];
  for (const [key, holds] of holdsByKey(history)) {
    let longest: HoldHistory | undefined;
    let until = -Infinity;
    for (const hold of holds) {
      const end = heldUntil(hold, history);
      if (end <= hold.grantedAt) continue;
      if (longest && hold.grantedAt < until) overlaps.push([longest, hold, key]);
      if (end > until) [longest, until] = [hold, end];
    }
  }
  return overlaps;
}

/**
 * What the lock protects must not change under a timely holder between its reading and its writing. This needs no clock of
 * ours: the file itself has kept who wrote.
 */
function checkMarks(history: History, conditions: Conditions): Violation[] {
  const byMark = new Map(history.holds.map((hold) => [markOf(hold), hold]));
  return history.holds.flatMap((hold) => {
    const { read, wrote } = hold;
    if (!read || !wrote || wrote.found === read.found || wrote.at > heldUntil(hold, history)) return [];
    const writer = byMark.get(wrote.found);
    // One that stood still after its last check and wrote after its time: fencing is there for that. Of one that died, its file says nothing.
    const isTimely = writer?.wrote !== undefined && writer.wrote.at <= heldUntil(writer, history);
    if (!isTimely || isExcused(hold, writer, conditions)) return [];
    return [
      violation(
        wrote.at,
        `${describeHold(hold)} read ${read.found}, and then found the mark of ${describeHold(writer)}`,
      ),
    ];
  });
}

function violation(at: number, message: string): Violation {
  return { rule: 'exclusion', at, message };
}
