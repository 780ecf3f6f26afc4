import type { Duration } from '@nuthatch/redis';

/** What every policy takes. */
export interface PolicyOptions {
  /** How much a call takes that does not say it. @default 1 */
  cost?: number;
  /** `'shadow'`: it is decided, charged and reported, and denies nothing. @default 'enforce' */
  mode?: 'enforce' | 'shadow';
  /**
   * What it says while Redis cannot be asked. `'local'`: what this process decides for itself, by its share of the limit;
   * `'open'`: yes; `'closed'`: no. @default that of the module
   */
  onOutage?: OutageMode;
}

export type OutageMode = 'local' | 'open' | 'closed';

export interface GcraOptions extends PolicyOptions {
  /** How much is given in each `per`, a whole number. */
  limit: number;
  per: Duration;
  /** How much can be taken at once. @default the limit */
  burst?: number;
}

export interface TokenBucketOptions extends PolicyOptions {
  /** How much the bucket holds, a whole number. */
  capacity: number;
  /** How much flows back in each `per`. */
  refill: number;
  per: Duration;
}

export interface WindowOptions extends PolicyOptions {
  /** How much is given in a window, a whole number. */
  limit: number;
  /** How long the window is. */
  per: Duration;
}

export interface SlidingWindowOptions extends WindowOptions {
  /** Into how many parts the window is cut, 1 to 60: what was taken comes back at most one part late. @default 10 */
  buckets?: number;
}

export type Policy =
  | ({ readonly kind: 'gcra' } & Readonly<GcraOptions>)
  | ({ readonly kind: 'tokenBucket' } & Readonly<TokenBucketOptions>)
  | ({ readonly kind: 'slidingWindow' } & Readonly<SlidingWindowOptions>)
  | ({ readonly kind: 'slidingLog' } & Readonly<WindowOptions>)
  | ({ readonly kind: 'fixedWindow' } & Readonly<WindowOptions>);

/**
 * The generic cell rate algorithm: `burst` at once, and then evenly, one per `per / limit`. Never more than
 * `limit + burst - 1` in any `per`. The least state, and the smoothest flow.
 */
export function gcra(options: GcraOptions): Policy {
  return { kind: 'gcra', ...options };
}

/** A bucket of `capacity` that fills evenly. Never more than `capacity + refill - 1` in any `per`. The same as `gcra` by other names. */
export function tokenBucket(options: TokenBucketOptions): Policy {
  return { kind: 'tokenBucket', ...options };
}

/** Never more than `limit` in any `per`, whenever it begins. What was taken comes back at most `per / buckets` late. */
export function slidingWindow(options: SlidingWindowOptions): Policy {
  return { kind: 'slidingWindow', ...options };
}

/** Never more than `limit` in any `per`, to the microsecond. Keeps each call, so the limit is 128 at most. */
export function slidingLog(options: WindowOptions): Policy {
  return { kind: 'slidingLog', ...options };
}

/** `limit` in a window that begins with the first call. Around its end up to `2 * limit - 1` fit into one `per`. */
export function fixedWindow(options: WindowOptions): Policy {
  return { kind: 'fixedWindow', ...options };
}
