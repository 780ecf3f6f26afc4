import type { Duration } from '@nuthatch/redis';

/**
 * How a hold ended. `'released'`: it stood until now. `'expired'`: its validity had ended, and nobody has taken it since.
 * `'stolen'`: its validity had ended, and somebody else has taken it. `'forced'`: an operator took it away.
 */
export type ReleaseOutcome = 'released' | 'expired' | 'stolen' | 'forced';

/**
 * A lock that is held. It is renewed until it is released, or `maxHold` is over. While Redis cannot be asked it ends by itself:
 * `signal` aborts before anybody else can be granted the lock, whatever Redis, this process or its clocks do.
 */
export interface Lock extends AsyncDisposable {
  /** As it was asked for; of several, joined by `', '`. */
  readonly key: string;
  /** In the order in which they are locked. */
  readonly keys: readonly string[];
  /** The fencing token: greater than that of every earlier grant of each of the keys. */
  readonly token: bigint;
  /**
   * Aborts when the lock is lost, at the latest shortly before its validity ends; its reason is a LockLostError. Also when it
   * is released, with a LockReleasedError, so that what is still under way with it stops.
   */
  readonly signal: AbortSignal;
  /** For how many milliseconds more it is safely held if Redis is not heard of again; 0 when it is lost or released. */
  validForMs(): number;
  /**
   * Throws unless the lock is held now, by the clocks of this machine: right also after the process stood still, before any
   * timer has run.
   *
   * @throws LockExpiredError, LockStolenError, LockForcedError, LockReleasedError
   */
  assertHeld(): void;
  /**
   * Makes it valid for `ttl` from now on, and renews it by that from then on.
   *
   * @throws LockCallError for a `ttl` that is none, is below three times `redisTimeout`, or goes beyond `maxHold`; LockExpiredError,
   *   LockStolenError, LockForcedError, LockReleasedError when it is not held any more; LockUnreachableError when Redis did not answer,
   *   and it is valid for as long as before, or for `ttl` if that is less
   */
  extend(ttl: Duration): Promise<void>;
  /**
   * Gives it back, and wakes who waits next. Resolves to what became of it; the second call to the same as the first.
   *
   * @throws LockUnreachableError when Redis did not answer: the lock then ends with its validity
   */
  release(): Promise<ReleaseOutcome>;
  /** Releases, and never rejects: what a section has thrown must not be masked. */
  [Symbol.asyncDispose](): Promise<void>;
}
