import type { LocalIndex } from './local/local-tier.js';
import type { CacheCounters } from './stats/cache-stats.js';
import type { ValueFormat } from './value/value-format.js';
import type { VersionStamps } from './shared/version-stamps.js';

/** What the entries of one namespace have in common. */
export interface Scope {
  readonly namespace: string;
  /** Begins the names of its entries. */
  readonly prefix: string;
  readonly format: ValueFormat;
  readonly counters: CacheCounters;
  readonly index: LocalIndex;
  readonly versions: VersionStamps;
  /** Entries of another revision are of no use; '' for those that have none. */
  readonly revision: string;
  /** Takes a value that was read, or refuses it by throwing. */
  readonly accept: ((value: unknown) => unknown) | undefined;
}

/** Whether both make the same of an entry, so that what one has read or loaded may be given to the other. */
export function readAlike(one: Scope, other: Scope): boolean {
  return one.revision === other.revision && one.accept === other.accept;
}
