import type { Conditions } from '../history/conditions.js';
import type { History, HoldHistory } from '../history/history.js';
import { describeHold } from './holding.js';
import type { Violation } from './violation.js';

// After a process stood still its timers run one after the other, and the one that notes the end of it may be the first.
const TIMERS_MS = 50;

/** The signal aborts before the validity ends, and not long before; assertHeld() is right even before it has. */
export function checkValidity(history: History, conditions: Conditions): Violation[] {
  return history.holds.flatMap((hold) => [
    ...checkEnd(hold, history),
    ...checkEarly(hold, conditions),
    ...checkAsserts(hold, conditions),
  ]);
}

/** Nobody believes to hold a lock beyond its validity, except while nothing runs in the process that could know better. */
function checkEnd(hold: HoldHistory, { processes }: History): Violation[] {
  const { believedUntil: validUntil, abortedAt = Infinity, endedAt } = hold;
  const until = Math.min(abortedAt, endedAt);
  if (until <= validUntil) return [];
  const { stalls, killed, endedAt: processEnd } = processes.get(hold.process)!;
  const stall = stalls.find(({ from, to }) => from <= validUntil && validUntil <= to);
  if (stall && until <= stall.to + TIMERS_MS) return [];
  // It may have died while it stood still, and then has not told of that.
  if (killed && abortedAt === Infinity && endedAt >= processEnd) return [];
  const how = abortedAt === Infinity ? 'did not abort' : 'aborted late';
  return [
    violation(
      until,
      `${describeHold(hold)} ${how}: valid until ${validUntil.toFixed(2)}, believed until ${until.toFixed(2)}`,
    ),
  ];
}

function checkEarly(hold: HoldHistory, { earlyMs }: Conditions): Violation[] {
  const { abortedAt, abortedFor, believedUntil: validUntil, lost } = hold;
  if (abortedAt === undefined || lost || abortedFor !== 'LOCK_EXPIRED' || abortedAt >= validUntil - earlyMs) return [];
  return [
    violation(abortedAt, `${describeHold(hold)} aborted ${(validUntil - abortedAt).toFixed(1)} ms before it needed to`),
  ];
}

function checkAsserts(hold: HoldHistory, { earlyMs }: Conditions): Violation[] {
  const { abortedAt = Infinity, validUntil, lost, endedAt } = hold;
  return hold.checks.flatMap(({ at, held }) => {
    if (held && at > Math.min(validUntil, abortedAt))
      return [
        violation(
          at,
          `${describeHold(hold)} was asserted to hold at ${at.toFixed(2)}, valid until ${validUntil.toFixed(2)}`,
        ),
      ];
    const isHeld = at < Math.min(validUntil - earlyMs, abortedAt, endedAt) && !lost;
    return isHeld && !held
      ? [violation(at, `${describeHold(hold)} was asserted not to hold at ${at.toFixed(2)}, though it did`)]
      : [];
  });
}

function violation(at: number, message: string): Violation {
  return { rule: 'validity', at, message };
}
