import type { Conditions } from '../history/conditions.js';
import type { History, HoldHistory } from '../history/history.js';
import { byKey } from './by-key.js';
import { isGranted, type Granted } from './claims.js';
import { describeHold, heldUntil, holdsByKey, isExcused } from './holding.js';
import type { Violation } from './violation.js';

/** Tokens strictly increase in the order of grants, also over a failover, and a resource that goes by them lets in no late writer. */
export function checkFencing(history: History, conditions: Conditions): Violation[] {
  return [
    ...checkHolds(history),
    ...checkGrants(history),
    ...checkAccepted(history),
    ...checkRefused(history, conditions),
  ];
}

/** Holds that came one after the other have tokens that increase; two never have the same. */
function checkHolds(history: History): Violation[] {
  const violations: Violation[] = [];
  for (const [key, holds] of holdsByKey(history)) {
    const byToken = new Map<bigint, HoldHistory>();
    let highest: HoldHistory | undefined;
    let endedBefore = -Infinity;
    for (const hold of holds) {
      const same = byToken.get(hold.token);
      if (same)
        violations.push(
          violation(hold.grantedAt, `${describeHold(hold)} has the token of ${describeHold(same)} for ${key}`),
        );
      byToken.set(hold.token, hold);
      const isTimely = heldUntil(hold, history) > hold.grantedAt;
      if (isTimely && highest && hold.token < highest.token && hold.grantedAt >= endedBefore)
        violations.push(
          violation(hold.grantedAt, `${describeHold(hold)} came after ${describeHold(highest)} for ${key}`),
        );
      if (isTimely && (!highest || hold.token > highest.token)) {
        highest = hold;
        endedBefore = heldUntil(hold, history);
      }
    }
  }
  return violations;
}

/** The same of everything that the store has granted, used or not, as far as its order is known. */
function checkGrants({ claims }: History): Violation[] {
  const violations: Violation[] = [];
  const all = byKey<Granted>(claims.filter(isGranted), ({ key }) => [key]);
  for (const unsorted of all.values()) {
    const grants = unsorted.sort((one, other) => one.grant.from - other.grant.from);
    const byEnd = [...grants].sort((one, other) => one.grant.to - other.grant.to);
    let next = 0;
    let highest: Granted | undefined;
    for (const granted of grants) {
      for (; byEnd[next]!.grant.to < granted.grant.from; next++) {
        const before = byEnd[next]!;
        if (!highest || before.grant.token > highest.grant.token) highest = before;
      }
      if (highest && highest.grant.token >= granted.grant.token)
        violations.push(
          violation(
            granted.grant.to,
            `claim ${granted.id} of ${granted.key} got token ${granted.grant.token} after ${highest.id} had got ${highest.grant.token}`,
          ),
        );
    }
  }
  return violations;
}

/** What guards itself by tokens has accepted each hold by itself, in the order of the tokens. */
function checkAccepted({ accepted }: History): Violation[] {
  const violations: Violation[] = [];
  for (const [key, writes] of accepted) {
    for (const [index, { token, by }] of writes.entries()) {
      const before = writes[index - 1];
      if (!before || token > before.token || (token === before.token && by === before.by)) continue;
      violations.push(
        violation(
          0,
          `the resource of ${key} let in ${by} with token ${token} after ${before.by} with token ${before.token}`,
        ),
      );
    }
  }
  return violations;
}

/** Nobody who holds the lock is refused: a later token is out already. */
function checkRefused(history: History, conditions: Conditions): Violation[] {
  const holds = holdsByKey(history);
  return history.holds.flatMap((hold) => {
    const until = heldUntil(hold, history);
    const refused = hold.fenced.find(({ at, accepted }) => !accepted && at <= until);
    if (!refused) return [];
    const others = hold.keys.flatMap((key) => holds.get(key)!).filter((other) => other.token > hold.token);
    if (others.some((other) => isExcused(hold, other, conditions))) return [];
    return [
      violation(
        refused.at,
        `the resource refused ${describeHold(hold)}, who held ${hold.keys.join()} until ${until.toFixed(2)}`,
      ),
    ];
  });
}

function violation(at: number, message: string): Violation {
  return { rule: 'fencing', at, message };
}
