import type { Duration } from '@nuthatch/redis';
import type { By, Caller } from '../guard/caller.js';
import type { LeaseOptions } from '../leasing/lease-options.js';

/** What every policy takes. */
export interface PolicyOptions {
  /**
   * Whom it limits, where a guard asks. A list is one subject made of several, such as the user on that endpoint;
   * `{ each: ['ip', account] }` limits each of them by itself, and denies when one of them does. @default 'ip'
   */
  by?: By | readonly By[] | { readonly each: readonly (By | readonly By[])[] };
  /** How much a call takes that does not say it. @default 1 */
  cost?: number;
  /**
   * Which calls count in the end. `'failures'`: a call is charged as it begins, and gets that back when it succeeds, so that
   * many at once do not get past the limit; `'successes'`: when it fails. @default 'always'
   */
  when?: 'always' | 'failures' | 'successes';
  /**
   * Deny everything for so long once the policy denies a call. What comes meanwhile is not counted. With `factor`, each
   * block that follows within `decay` of the last one's end is that many times longer, up to `max`.
   */
  block?: Duration | BlockOptions;
  /** `'shadow'`: it is decided, charged and reported, and denies nothing. @default 'enforce' */
  mode?: 'enforce' | 'shadow';
  /**
   * What it says while Redis cannot be asked. `'local'`: what this process decides for itself, by its share of the limit;
   * `'open'`: yes; `'closed'`: no. @default that of the module
   */
  onOutage?: OutageMode;
}

export interface BlockOptions {
  /** The first block. */
  base: Duration;
  /** A whole number, 1 to 100. @default 2 */
  factor?: number;
  /** No block is longer. @default '1d' */
  max?: Duration;
  /** How long after the end of a block the next is the first again. @default that of `max` */
  decay?: Duration;
}

/** A limit, or what says it for a caller: `(caller) => (isPaying(caller.user) ? 1_000 : 100)`. */
export type Limit = number | ((caller: Caller) => number | Promise<number>);

export type OutageMode = 'local' | 'open' | 'closed';

interface Leasable {
  /** Take units ahead, for the few subjects that everybody shares. @default every call asks Redis */
  lease?: LeaseOptions;
}

export interface GcraOptions extends PolicyOptions, Leasable {
  /** How much is given in each `per`, a whole number. */
  limit: Limit;
  per: Duration;
  /** How much can be taken at once. @default the limit */
  burst?: number;
}

export interface TokenBucketOptions extends PolicyOptions, Leasable {
  /** How much the bucket holds, a whole number. */
  capacity: number;
  /** How much flows back in each `per`. */
  refill: number;
  per: Duration;
}

export interface WindowOptions extends PolicyOptions {
  /** How much is given in a window, a whole number. */
  limit: Limit;
  /** How long the window is. */
  per: Duration;
}

export interface SlidingWindowOptions extends WindowOptions, Leasable {
  /** Into how many parts the window is cut, 1 to 60: what was taken comes back at most one part late. @default 10 */
  buckets?: number;
}

export interface FixedWindowOptions extends WindowOptions, Leasable {}

export interface CalendarOptions extends PolicyOptions {
  /** How much is given in each, a whole number. */
  limit: Limit;
  unit: 'minute' | 'hour' | 'day' | 'week' | 'month' | 'year';
  /** By the IANA database: `'Europe/Berlin'`. Weeks begin on Monday. @default 'UTC' */
  timeZone?: string;
}

export interface ConcurrencyOptions extends Omit<PolicyOptions, 'cost' | 'when'> {
  /** How many calls may be under way at the same time, 1 to 1000. */
  max: Limit;
  /** When a place is free again though nobody has freed it, because its process died. A living one renews it. @default '30s' */
  lease?: Duration;
}

export type Policy =
  | ({ readonly kind: 'gcra' } & Readonly<GcraOptions>)
  | ({ readonly kind: 'tokenBucket' } & Readonly<TokenBucketOptions>)
  | ({ readonly kind: 'slidingWindow' } & Readonly<SlidingWindowOptions>)
  | ({ readonly kind: 'slidingLog' } & Readonly<WindowOptions>)
  | ({ readonly kind: 'fixedWindow' } & Readonly<FixedWindowOptions>)
  | ({ readonly kind: 'calendar' } & Readonly<CalendarOptions>)
  | ({ readonly kind: 'concurrency' } & Readonly<ConcurrencyOptions>);

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
export function fixedWindow(options: FixedWindowOptions): Policy {
  return { kind: 'fixedWindow', ...options };
}

/**
 * `limit` in each day, month ... of a time zone. Around its end up to `2 * limit` fit into the length of one; into that of a long
 * one `3 * limit`, where a short one lies within, such as February, or a day of 23 hours.
 */
export function calendar(options: CalendarOptions): Policy {
  return { kind: 'calendar', ...options };
}

/** At most `max` calls at the same time. A place is freed when the call finishes, and by itself after `lease`. */
export function concurrency(options: ConcurrencyOptions): Policy {
  return { kind: 'concurrency', ...options };
}
