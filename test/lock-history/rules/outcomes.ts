import type { Conditions } from '../history/conditions.js';
import type { ClaimHistory, History, HoldHistory } from '../history/history.js';
import { byKey } from './by-key.js';
import { isGranted, type Granted } from './claims.js';
import { describeHold } from './holding.js';
import type { Violation } from './violation.js';

/** A release says what became of the hold, and says it again when it is called again. */
export function checkOutcomes(history: History, conditions: Conditions): Violation[] {
  const claims = byKey(history.claims, ({ key }) => [key]);
  const grants = byKey(history.claims.filter(isGranted), ({ key }) => [key]);
  for (const list of grants.values()) list.sort((one, other) => (one.grant.token < other.grant.token ? -1 : 1));
  return history.holds.flatMap((hold) => {
    const [first, again] = hold.releases;
    if (!first || !CERTAIN.has(first.outcome)) return [];
    const objection =
      again && CERTAIN.has(again.outcome) && again.outcome !== first.outcome
        ? `, and then ${again.outcome}`
        : objectionTo(first, hold, grants, claims, history, conditions);
    if (objection === undefined) return [];
    const message = `the release of ${describeHold(hold)} said ${first.outcome} at ${first.at.toFixed(2)}${objection}`;
    return [{ rule: 'outcome', at: first.at, message }];
  });
}

const CERTAIN = new Set(['released', 'expired', 'stolen', 'forced']);

function objectionTo(
  { at, outcome }: HoldHistory['releases'][number],
  hold: HoldHistory,
  grants: ReadonlyMap<string, readonly Granted[]>,
  claims: ReadonlyMap<string, readonly ClaimHistory[]>,
  history: History,
  { losses }: Conditions,
): string | undefined {
  const releasingAt = hold.releasingAt ?? hold.endedAt;
  const wasForced = history.forces.some(
    ({ key, from, to }) => hold.keys.includes(key) && to >= hold.askedAt && from <= at,
  );
  const wasLost = losses.some(({ from, to }) => hold.grantedAt <= to && at >= from);
  if (outcome === 'forced') return wasForced ? undefined : ', but nobody took it away';
  if (wasForced || wasLost) return undefined;
  const later = hold.keys.flatMap((key) => successorOf(hold, grants.get(key) ?? []) ?? []);
  if (outcome === 'released') {
    const taken = later.find(({ grant }) => grant.to < releasingAt);
    return taken && `, but ${taken.id} had been granted it at ${taken.grant.to.toFixed(2)}`;
  }
  if (at < hold.validUntil && !hold.lost) return `, but it was valid until ${hold.validUntil.toFixed(2)}`;
  if (outcome === 'expired') {
    const taken = later.find(({ grant }) => grant.to < releasingAt);
    return taken && `, but ${taken.id} had been granted it at ${taken.grant.to.toFixed(2)}`;
  }
  const mayHaveTaken = hold.keys.some((key) => (claims.get(key) ?? []).some((claim) => mayHaveHad(claim, hold, at)));
  return later.some(({ grant }) => grant.from <= at) || mayHaveTaken ? undefined : ', but nobody else had it';
}

/** The first grant of the key after that of the hold. */
function successorOf(hold: HoldHistory, grants: readonly Granted[]): Granted | undefined {
  let [low, high] = [0, grants.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (grants[middle]!.grant.token <= hold.token) low = middle + 1;
    else high = middle;
  }
  return grants[low];
}

/** Whether the store may have granted it without anybody having seen that: the process was dead, or gave up. */
function mayHaveHad({ process, grant, askedAt, leftAt }: ClaimHistory, hold: HoldHistory, until: number): boolean {
  return process !== hold.process && grant === undefined && askedAt <= until && (leftAt ?? Infinity) >= hold.grantedAt;
}
