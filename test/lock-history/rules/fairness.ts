import type { Conditions } from '../history/conditions.js';
import type { ClaimHistory, History } from '../history/history.js';
import { byKey } from './by-key.js';
import { cutOffAt, isGranted, isQueued, type Granted, type Queued } from './claims.js';
import type { Violation } from './violation.js';

// A process says that it lives about once a second, and what it says on the way may be a little old.
const BEAT_MARGIN_MS = 1_200;

/** Grants follow the order of arrival among waiters that live. Arrivals of which the order is not known may go either way. */
export function checkFairness(history: History, conditions: Conditions): Violation[] {
  const keys = byKey(history.claims, ({ key }) => [key]);
  return [...keys.values()].flatMap((claims) => checkKey(claims, history, conditions));
}

function checkKey(claims: readonly ClaimHistory[], history: History, conditions: Conditions): Violation[] {
  const violations: Violation[] = [];
  const byArrival = claims.filter(isQueued).sort((one, other) => one.queuedBy - other.queuedBy);
  const grants = claims.filter(isGranted).sort((one, other) => one.askedAt - other.askedAt);
  let next = 0;
  let waiting: Queued[] = [];
  for (const granted of grants) {
    for (; next < byArrival.length && byArrival[next]!.queuedBy < granted.askedAt; next++)
      waiting.push(byArrival[next]!);
    // Who does not wait any more is not passed by those that have asked later still.
    waiting = waiting.filter((claim) => waitsUntil(claim) >= granted.askedAt);
    const passed = waiting.find((claim) => wasPassed(claim, granted, history, conditions));
    if (passed) violations.push({ rule: 'fairness', at: granted.grant.to, message: describe(granted, passed) });
  }
  return violations;
}

function wasPassed(waiter: Queued, { askedAt, grant }: Granted, history: History, conditions: Conditions): boolean {
  if (waiter.queuedBy >= askedAt) return false;
  if (waiter.grant && waiter.grant.token < grant.token) return false;
  if (waiter.leftAt !== undefined && waiter.leftAt < grant.to) return false;
  if (conditions.losses.some(({ from, to }) => waiter.queuedBy <= to && grant.to >= from)) return false;
  if (cutOffAt(waiter, grant.to, history, conditions) !== undefined) return false;
  return livedUntil(waiter, grant.to, conditions.liveMs - BEAT_MARGIN_MS);
}

/** Whether the store has heard of it often enough up to a moment. */
function livedUntil({ aliveAt }: ClaimHistory, until: number, withinMs: number): boolean {
  const heard = aliveAt.filter((at) => at <= until);
  return heard.length > 0 && [...heard, until].every((at, index) => index === 0 || at - heard[index - 1]! < withinMs);
}

function waitsUntil({ grant, leftAt }: ClaimHistory): number {
  return Math.min(grant?.to ?? Infinity, leftAt ?? Infinity);
}

function describe({ id, key, askedAt, grant }: Granted, passed: Queued): string {
  return (
    `claim ${id} of ${key}, asked for at ${askedAt.toFixed(2)}, was granted at ${grant.to.toFixed(2)} before ${passed.id}, ` +
    `which waited since ${passed.queuedBy.toFixed(2)} at the latest`
  );
}
