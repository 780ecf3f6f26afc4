/**
 * Where entries live. Values are text here: the service encodes and decodes.
 *
 * Invariant: what a load has found is stored only if nothing has been set or deleted under its key since the load began.
 * `getOrLease` marks the beginning by a lease, which is kept under the key itself: whoever writes or deletes the key,
 * also another program, voids the lease, and `fill` with a void lease stores nothing.
 */
export interface CacheDriver {
  get(key: string): Promise<string | undefined>;

  /** Reads the value or, where there is none and nobody else is loading it, grants the lease `token` for `leaseMs`. */
  getOrLease(key: string, token: string, leaseMs: number): Promise<CacheRead>;

  /** Stores the result of a load, if its lease still stands. */
  fill(key: string, token: string, value: string, ttlMs: number): Promise<boolean>;

  /** Gives the lease back without a value, if it still stands. */
  abandon(key: string, token: string): Promise<void>;

  set(key: string, value: string, ttlMs: number): Promise<void>;

  has(key: string): Promise<boolean>;

  /** Removes values and voids leases. Returns how many of the keys held one or the other. */
  delete(keys: readonly string[]): Promise<number>;

  /** What this process itself holds, without asking anybody. */
  peek(key: string): string | undefined;
}

/** `leased`: the caller loads and fills. `busy`: another caller has the lease. */
export type CacheRead = { readonly state: 'hit'; readonly value: string } | { readonly state: 'leased' | 'busy' };
