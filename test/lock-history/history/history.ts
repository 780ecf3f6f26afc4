import type { Window } from './conditions.js';

/** What happened in one run, put together from the histories of its processes. */
export interface History {
  readonly processes: ReadonlyMap<string, ProcessHistory>;
  readonly holds: readonly HoldHistory[];
  readonly claims: readonly ClaimHistory[];
  /** What the fenced resources have accepted, by key, in that order. */
  readonly accepted: ReadonlyMap<string, readonly AcceptedWrite[]>;
  /** forceRelease of a lock. */
  readonly forces: readonly (Window & { readonly key: string })[];
}

export interface ProcessHistory {
  readonly name: string;
  /** When nothing ran in it: it was stopped, blocked, or had no CPU. */
  readonly stalls: readonly Window[];
  /** When it was killed, or had written all. */
  readonly endedAt: number;
  readonly killed: boolean;
  readonly troubles: readonly string[];
}

/** A grant as its user saw it. */
export interface HoldHistory {
  readonly process: string;
  readonly attempt: number;
  readonly keys: readonly string[];
  readonly token: bigint;
  readonly askedAt: number;
  readonly grantedAt: number;
  /** Until when the store had confirmed it when all was over: from before it was asked, plus the time to live. */
  readonly validUntil: number;
  /** The same by what was known when it aborted: a renewal that is answered later does not make it held again. */
  readonly believedUntil: number;
  /** The store has said that it does not hold any more, or it was forced. */
  readonly lost: boolean;
  /** What the store has answered to its release, unless it was 'released'. */
  readonly endedAs: string | undefined;
  readonly abortedAt: number | undefined;
  readonly abortedFor: string | undefined;
  /** When its user began to give it back, or died. */
  readonly endedAt: number;
  readonly checks: readonly { readonly at: number; readonly held: boolean }[];
  readonly read: { readonly at: number; readonly found: string } | undefined;
  readonly wrote: { readonly at: number; readonly found: string } | undefined;
  readonly fenced: readonly { readonly sentAt: number; readonly at: number; readonly accepted: boolean }[];
  readonly releasingAt: number | undefined;
  /** In the order of the calls: a second release must tell the same. */
  readonly releases: readonly { readonly at: number; readonly outcome: string }[];
}

/** What a resource let in that takes tokens only; `by` is the mark of a hold. */
export interface AcceptedWrite {
  readonly token: bigint;
  readonly by: string;
}

/** A place in the queue, or a grant without one, as the store told it. */
export interface ClaimHistory {
  readonly process: string;
  readonly id: string;
  readonly key: string;
  readonly ttlMs: number;
  readonly askedAt: number;
  /** When it was known to have a place; it arrived between `askedAt` and this. */
  readonly queuedBy: number | undefined;
  /** When the questions were sent to which the store has answered that it still waits. */
  readonly aliveAt: readonly number[];
  /** It gave up the place, or the hold, from here on. */
  readonly leftAt: number | undefined;
  readonly grant: GrantSeen | undefined;
}

export interface GrantSeen {
  readonly token: bigint;
  /** It was granted between these. */
  readonly from: number;
  readonly to: number;
  /** At the latest then it does not hold any more, as far as this process had a part in it. */
  readonly freeBy: number;
}

/** The mark that a hold leaves on what it protects. */
export function markOf({ process, attempt }: { readonly process: string; readonly attempt: number }): string {
  return `${process}#${attempt}`;
}
