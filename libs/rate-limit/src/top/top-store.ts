import type { Counted } from './space-saving.js';

/** How many subjects of a policy are kept for a window. */
export const KEPT = 1_000;
/** How long a window is, in milliseconds; the current one and the one before are told. */
export const WINDOW_MS = 600_000;

/** Where is added up what the processes have counted. Each subject is there by its name, see `subjectName`. */
export interface TopStore {
  /** @throws RedisUnreachableError, RedisTimeoutError, or the error that the server replied with */
  add(policy: string, counted: readonly Counted[]): Promise<void>;
  /** What is known of the last ten to twenty minutes; a subject may come twice. */
  read(policy: string): Promise<readonly Counted[]>;
}

/** The one that has been given and denied the most comes first. */
export function byMost(one: Counted, other: Counted): number {
  return other.taken + other.denied - one.taken - one.denied;
}
