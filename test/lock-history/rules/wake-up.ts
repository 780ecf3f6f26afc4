import type { Conditions, Window } from '../history/conditions.js';
import type { ClaimHistory, History } from '../history/history.js';
import { byKey } from './by-key.js';
import { cutOffAt, isGranted, isQueued, type Granted, type Queued } from './claims.js';
import type { Violation } from './violation.js';

/**
 * Nobody waits for a lock that is free: no longer than a beat if the message of the grant was lost, and no longer than the leases of
 * those who are dead and were before them in the queue, or were granted it.
 */
export function checkWakeUps(history: History, conditions: Conditions): Violation[] {
  return [...byKey(history.claims, ({ key }) => [key])].flatMap(([key, claims]) => {
    const grants = claims.filter(isGranted).sort((one, other) => one.grant.to - other.grant.to);
    const freeBy = runningMaximum(grants.map(({ grant }) => grant.freeBy));
    return claims.filter(isQueued).flatMap((claim) => {
      const end = waitEnd(claim, history);
      const since = Math.max(
        claim.queuedBy,
        freeBy[countBefore(grants, end) - 1] ?? 0,
        undisturbedSince(claim, end, history, conditions),
      );
      const allowedMs = conditions.beatMs + conditions.slackMs;
      if (end - since <= allowedMs) return [];
      if (end - since <= allowedMs + deadTime(claim, since, end, claims, history, conditions)) return [];
      const message = `claim ${claim.id} of ${key} waited until ${end.toFixed(2)} for what was free from ${since.toFixed(2)} on`;
      return [{ rule: 'wake-up' as const, at: end, message }];
    });
  });
}

/** When the process of the claim had its connection back, and was running; what a failover has brought back was over. */
function undisturbedSince(
  { process, ttlMs }: Queued,
  end: number,
  { processes }: History,
  { outages, losses, recoveryMs }: Conditions,
): number {
  const began = ({ from }: Window): boolean => from <= end;
  const reached = outages.filter((outage) => outage.process === undefined || outage.process === process);
  const back = [...reached, ...losses].filter(began).map(({ to }) => to + recoveryMs);
  const held = losses.filter(began).map(({ to }) => to + ttlMs);
  const { stalls } = processes.get(process)!;
  return Math.max(0, ...back, ...held, ...stalls.filter(began).map(({ to }) => to));
}

/**
 * For how long those may keep the lock who were dead while they waited or held, and those that a failover has put back into the
 * queue after they had left it.
 */
function deadTime(
  { process, ttlMs }: Queued,
  since: number,
  end: number,
  claims: readonly ClaimHistory[],
  history: History,
  conditions: Conditions,
): number {
  const { liveMs, losses } = conditions;
  let [deadMs, ghostMs] = [0, 0];
  for (const other of claims) {
    const leaseMs = Math.min(other.ttlMs, liveMs);
    if (other.askedAt > end) continue;
    if (losses.some(({ from, to }) => from <= end && other.askedAt <= to && closedAt(other) >= from - liveMs))
      ghostMs += leaseMs;
    if (other.process === process || closedAt(other) < since - 2 * liveMs) continue;
    const cutAt = cutOffAt(other, Math.min(end, closedAt(other)), history, conditions);
    if (cutAt !== undefined && cutAt > since - 2 * liveMs) deadMs += leaseMs;
  }
  return ghostMs + Math.min(deadMs, liveMs + Math.min(ttlMs, liveMs));
}

function waitEnd({ grant, leftAt, process }: ClaimHistory, { processes }: History): number {
  return grant?.to ?? leftAt ?? processes.get(process)!.endedAt;
}

/** When its process was done with it. */
function closedAt({ grant, leftAt }: ClaimHistory): number {
  return Math.min(leftAt ?? Infinity, grant?.freeBy ?? Infinity);
}

function runningMaximum(values: readonly number[]): number[] {
  let highest = 0;
  return values.map((value) => (highest = Math.max(highest, value)));
}

/** How many of these, sorted by when they were told, were told before. */
function countBefore(grants: readonly Granted[], moment: number): number {
  let [low, high] = [0, grants.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (grants[middle]!.grant.to < moment) low = middle + 1;
    else high = middle;
  }
  return low;
}
