import type { Lease } from '../leasing/lease-options.js';

/**
 * Where the state of rate limits lives, and where is decided.
 *
 * Invariants:
 * 1. All rules of a call are decided at one moment, all or nothing: a denied call is charged to none of them.
 * 2. Time is that of the store, read once per call, in whole microseconds.
 * 3. No rule admits more than its bound, see the rules.
 * 4. No state is kept for ever: it is forgotten once it is as good as none.
 * 5. All drivers decide alike on the same arrivals.
 * 6. A call is charged once, also where the reply of the store is lost and it has to be asked again.
 *
 * Every method may reject with RedisUnreachableError, RedisTimeoutError, or the error that the server replied with.
 */
export interface RateLimitDriver {
  /** @param operation who holds the places that the call takes: a number below {@link OPERATIONS}, unlike that of any other */
  decide(charges: readonly Charge[], operation: number): Promise<Decision>;

  /** Whether `decide` would allow the call, and what there is without it; charges nothing. */
  peek(charges: readonly Charge[]): Promise<Decision>;

  /**
   * Corrects what calls were charged: gives back, or takes more, which no limit hinders. What has run off since is not given
   * back, so that no rule ever admits more than its bound. Of a concurrency rule it frees the place.
   */
  settle(settlements: readonly Settlement[]): Promise<void>;

  /** Goes on holding the place that an operation took; false if it was lost, because it was not renewed in time. */
  renew(key: string, rule: ConcurrencyRule, operation: number): Promise<boolean>;

  /** Forgets what these rules know of a subject. */
  reset(key: string, ids: readonly number[]): Promise<void>;

  /** Denies everything under that rule for so long, in microseconds; 0 ends it. */
  block(key: string, id: number, forUs: number): Promise<void>;
}

/** Operations are numbers from 1 to less than this. */
export const OPERATIONS = 2 ** 28;

/** What one subject is charged with. */
export interface Charge {
  /** Of the state of the subject. */
  readonly key: string;
  readonly rules: readonly Rule[];
}

/** What one rule was charged, to be corrected. */
export interface Settlement {
  readonly key: string;
  readonly rule: Rule;
  /** How much is given back of what the rule was charged; below 0 it is charged more. */
  readonly back: number;
  /** The operation that charged it. */
  readonly operation: number;
  /** When, by the clock that charged it. */
  readonly chargedAtUs: number;
  /** `resetUs` of its verdict. */
  readonly resetUs: number;
}

/** A policy as it applies to one call. Times are whole microseconds. */
export type Rule = GcraRule | FixedWindowRule | SlidingWindowRule | SlidingLogRule | CalendarRule | ConcurrencyRule;

interface AnyRule {
  /** Tells the rules of a subject apart; from 1 to 32767. */
  readonly id: number;
  /** How much the call takes; not more than the rule could ever give. */
  readonly cost: number;
  /** Decided and charged like the others, but it denies nothing. */
  readonly shadow: boolean;
  /** What a denial by this rule begins, unless it is in the shadow. */
  readonly block?: Block;
  /** Taken by the process for several calls at once, see LeasingRateLimitDriver. */
  readonly lease?: Lease;
}

/** `baseUs`, and `factor` times as long for each that follows within `decayUs` of the end of the last, up to `mostUs`. */
export interface Block {
  readonly baseUs: number;
  readonly factor: number;
  readonly mostUs: number;
  readonly decayUs: number;
}

/** The generic cell rate algorithm: at most `burst` at once, and then one per `emissionUs`. */
export interface GcraRule extends AnyRule {
  readonly kind: 'gcra';
  readonly emissionUs: number;
  readonly burst: number;
}

export interface FixedWindowRule extends AnyRule {
  readonly kind: 'fixedWindow';
  readonly limit: number;
  readonly perUs: number;
}

/** At most `limit` in the current and the last `buckets` parts of `bucketUs`; so never more in any `bucketUs * buckets`. */
export interface SlidingWindowRule extends AnyRule {
  readonly kind: 'slidingWindow';
  readonly limit: number;
  readonly bucketUs: number;
  readonly buckets: number;
}

/** At most `limit` in any `perUs`, exactly. */
export interface SlidingLogRule extends AnyRule {
  readonly kind: 'slidingLog';
  readonly limit: number;
  readonly perUs: number;
}

/** At most `limit` in each period of a calendar; so at most `2 * limit` in the length of the shortest. */
export interface CalendarRule extends AnyRule {
  readonly kind: 'calendar';
  readonly limit: number;
  readonly calendar: Calendar;
}

/** Says which period holds a moment. Times are microseconds since 1970. */
export interface Calendar {
  around(nowUs: number): { readonly startUs: number; readonly endUs: number; readonly nextEndUs: number };
}

/** At most `limit` calls hold a place at the same time, each until it is freed, or not renewed for `leaseUs`. Its cost is 1. */
export interface ConcurrencyRule extends AnyRule {
  readonly kind: 'concurrency';
  readonly limit: number;
  readonly leaseUs: number;
}

export interface Decision {
  /** Whether the call was charged. */
  readonly allowed: boolean;
  /** The time of the store, in microseconds since 1970. */
  readonly nowUs: number;
  /** For each charge, where they were decided by the clocks of several servers. */
  readonly chargeTimesUs?: readonly number[];
  /** One for each rule, in the order of the charges. */
  readonly verdicts: readonly Verdict[];
}

export interface Verdict {
  /** Whether this rule, for itself, allows the call. */
  readonly ok: boolean;
  /** How much could be taken now: after the call, if it was charged. */
  readonly remaining: number;
  /** How long until the same call could be allowed; 0 when it is. */
  readonly retryUs: number;
  /** How long until nothing of what was taken counts any more. */
  readonly resetUs: number;
}
