import type { Conditions } from '../history/conditions.js';
import type { ClaimHistory, GrantSeen, History } from '../history/history.js';

export type Queued = ClaimHistory & { readonly queuedBy: number };
export type Granted = ClaimHistory & { readonly grant: GrantSeen };

export function isQueued(claim: ClaimHistory): claim is Queued {
  return claim.queuedBy !== undefined;
}

export function isGranted(claim: ClaimHistory): claim is Granted {
  return claim.grant !== undefined;
}

// A shorter one costs nobody a beat or a lease.
const SHORT_MS = 250;

/**
 * When the process of a claim first could not be heard of, or could not hear, while the claim was open: it was killed, it stood
 * still, or the store was out of reach. What the store did meanwhile nobody may ever have seen. `undefined`: never before `until`.
 */
export function cutOffAt(
  claim: ClaimHistory,
  until: number,
  { processes }: History,
  { outages }: Conditions,
): number | undefined {
  const { stalls, killed, endedAt } = processes.get(claim.process)!;
  const reached = outages.filter(({ process }) => process === undefined || process === claim.process);
  const cuts = [...stalls, ...reached]
    .filter(({ from, to }) => to - from >= SHORT_MS && from < until && to > claim.askedAt)
    .map(({ from }) => from);
  if (killed && endedAt < until) cuts.push(endedAt);
  return cuts.length > 0 ? Math.min(...cuts) : undefined;
}
