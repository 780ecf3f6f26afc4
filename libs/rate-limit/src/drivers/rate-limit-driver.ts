/**
 * Where the state of rate limits lives, and where is decided.
 *
 * Invariants:
 * 1. All rules of a call are decided at one moment, all or nothing: a denied call is charged to none of them.
 * 2. Time is that of the store, read once per call, in whole microseconds.
 * 3. No rule admits more than its bound, see the rules.
 * 4. No state is kept for ever: it is forgotten once it is as good as none.
 * 5. All drivers decide alike on the same arrivals.
 * 6. A call that is made again with the same operation, because its reply was lost, is not charged again.
 *
 * Every method may reject with RedisUnreachableError, RedisTimeoutError, or the error that the server replied with.
 */
export interface RateLimitDriver {
  /** @param operation a number below 2^32, unlike that of any other call of its moment */
  decide(charges: readonly Charge[], operation: number): Promise<Decision>;

  /** Whether `decide` would allow the call, and what there is without it; charges nothing. */
  peek(charges: readonly Charge[]): Promise<Decision>;

  /** Forgets what these rules know of a subject. */
  reset(key: string, ids: readonly number[]): Promise<void>;

  /** Denies everything under that rule for so long, in microseconds; 0 ends it. */
  block(key: string, id: number, forUs: number): Promise<void>;
}

/** What one subject is charged with. */
export interface Charge {
  /** Of the state of the subject. */
  readonly key: string;
  readonly rules: readonly Rule[];
}

/** A policy as it applies to one call. Times are whole microseconds. */
export type Rule = GcraRule | FixedWindowRule | SlidingWindowRule | SlidingLogRule;

interface AnyRule {
  /** Tells the rules of a subject apart; from 1 to 32767. */
  readonly id: number;
  /** How much the call takes; not more than the rule could ever give. */
  readonly cost: number;
  /** Decided and charged like the others, but it denies nothing. */
  readonly shadow: boolean;
}

/** The generic cell rate algorithm: at most `burst` at once, and then one per `emissionUs`. */
export interface GcraRule extends AnyRule {
  readonly kind: 'gcra';
  readonly emissionUs: number;
  readonly burst: number;
}

/** At most `limit` from the first until `perUs` later; so at most `2 * limit - 1` in any `perUs`. */
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

export interface Decision {
  /** Whether the call was charged. */
  readonly allowed: boolean;
  /** The time of the store, in microseconds since 1970. */
  readonly nowUs: number;
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
