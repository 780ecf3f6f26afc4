import { channel, type Channel } from 'node:diagnostics_channel';

/** What a cache has done since it was made, for one namespace. Times are in milliseconds, sizes in bytes. */
export interface CacheStats extends Readonly<Record<CacheCount, number>> {
  readonly namespace: string;
  /** What the tier in process holds, for all namespaces together. */
  readonly memory: { readonly entries: number; readonly bytes: number; readonly evictions: number };
  /** How long the last write of this process took to be reported back to it; undefined before the first. */
  readonly coherenceLagMs: number | undefined;
  /** Writes and invalidations that wait for Redis to return. */
  readonly journalled: number;
}

/**
 * - `localHits`, `sharedHits`: values found in process, and in Redis.
 * - `misses`: reads that found none.
 * - `staleServes`: values served after their time, within their grace.
 * - `loads`, `loadErrors`: loads that succeeded and that failed; `loadMs`: what the first took together.
 * - `refreshes`: those that began in the background, ahead of the end of an entry.
 * - `coalesced`: callers that got the result of a load that somebody else had begun, here or in another process.
 * - `sets`: values that were set. `invalidations`: keys, tags and patterns that were deleted, expired or invalidated.
 * - `unreadable`: entries that were corrupted, of another version, or no longer fit for their schema.
 * - `outages`: calls that went on without Redis.
 */
export type CacheCount =
  | 'localHits'
  | 'sharedHits'
  | 'misses'
  | 'staleServes'
  | 'loads'
  | 'loadErrors'
  | 'loadMs'
  | 'refreshes'
  | 'coalesced'
  | 'sets'
  | 'invalidations'
  | 'unreadable'
  | 'outages';

/** What is published on {@link CACHE_CHANNEL} of node:diagnostics_channel for each count. */
export interface CacheEvent {
  readonly type: CacheCount;
  /** The root of the keys of the cache, such as `app:cache:`. */
  readonly root: string;
  readonly namespace: string;
  readonly by: number;
}

export const CACHE_CHANNEL = 'nuthatch:cache';

/** Counts for one namespace. */
export class CacheCounters {
  readonly #channel: Channel = channel(CACHE_CHANNEL);
  readonly #counts: Record<CacheCount, number> = {
    localHits: 0,
    sharedHits: 0,
    misses: 0,
    staleServes: 0,
    loads: 0,
    loadErrors: 0,
    loadMs: 0,
    refreshes: 0,
    coalesced: 0,
    sets: 0,
    invalidations: 0,
    unreadable: 0,
    outages: 0,
  };

  constructor(
    private readonly root: string,
    readonly namespace: string,
  ) {}

  get counts(): Readonly<Record<CacheCount, number>> {
    return { ...this.#counts };
  }

  /** The same as `add('localHits')`, for what is done millions of times a second. */
  localHit(): void {
    this.#counts.localHits += 1;
    if (this.#channel.hasSubscribers) this.#publish('localHits', 1);
  }

  add(type: CacheCount, by = 1): void {
    this.#counts[type] += by;
    if (this.#channel.hasSubscribers) this.#publish(type, by);
  }

  #publish(type: CacheCount, by: number): void {
    this.#channel.publish({ type, root: this.root, namespace: this.namespace, by } satisfies CacheEvent);
  }
}
