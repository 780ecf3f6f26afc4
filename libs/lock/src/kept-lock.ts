import type { Duration } from '@nuthatch/redis';
import type { Hold, Renewal, Renewed } from './drivers/lock-driver.js';
import type { HeldLock } from './held-lock.js';
import { named, type LockKind } from './lock-kind.js';
import type { ReleaseOutcome } from './lock.js';
import {
  LockCallError,
  LockExpiredError,
  LockForcedError,
  LockLostError,
  LockReleasedError,
  LockStolenError,
  LockUnreachableError,
} from './lock.errors.js';
import { elapsedSince, thisMoment, type Moment } from './moment.js';

// Early enough for a timer that is late and a reason that has to travel.
const EARLY_MS = 30;
// Clocks differ by less than this, also while one of them is being corrected.
const DRIFT = 0.0005;
const RENEWALS_PER_TTL = 3;

/** What a lock asks of who looks after it. */
export interface HoldCare {
  /** The lock has ended, and need not be looked after any more. */
  forget(lock: KeptLock, loss?: LockLostError): void;
  /** When it has to be looked at next may have changed. */
  reschedule(lock: KeptLock): void;
  /** Asks the store for a lock that is in use. Rejects with LockUnreachableError. */
  renew(lock: KeptLock, ttlMs: number): Promise<void>;
  release(lock: KeptLock, keepMs: number): Promise<ReleaseOutcome>;
  /** In milliseconds. @throws LockCallError */
  resolveTtl(ttl: Duration): number;
}

export interface HoldTerms {
  readonly kind: LockKind;
  readonly label: string;
  readonly labels: readonly string[];
  readonly holds: readonly Hold[];
  readonly token: bigint;
  readonly ttlMs: number;
  readonly maxHoldMs: number;
  readonly fair: boolean;
  readonly waited: boolean;
}

/** What a grant or a renewal is worth: so long, from a moment before it was asked for. */
export interface Validity {
  readonly since: Moment;
  readonly ms: number;
}

/**
 * A lock in the hands of its user. Invariant: from {@link EARLY_MS} before the end of its validity on nothing says that it is held,
 * by whichever clock has moved further.
 */
export class KeptLock implements HeldLock {
  readonly kind: LockKind;
  readonly key: string;
  readonly keys: readonly string[];
  readonly holds: readonly Hold[];
  readonly token: bigint;
  readonly fair: boolean;
  /** Whether it had to be waited for, so that others may well wait, too. */
  readonly waited: boolean;
  /** Whether its begin was told of, and its end was not. */
  announced = false;
  /** Whether it was valid until it was released. */
  wasValid = false;
  /** On the clock of `performance.now()`. */
  readonly heldSince: number;
  ttlMs: number;
  /** When it should be renewed, on the clock of `performance.now()`. */
  renewAt = 0;
  renewing = false;
  /** Among those that are looked after. */
  place = -1;
  readonly #care: HoldCare;
  readonly #maxHoldMs: number;
  #validity: Validity;
  /** What it was asked to be shortened to last: answers to earlier questions do not make it more. */
  #shortened: Validity | undefined;
  #usableMs = 0;
  #ended: LockLostError | 'released' | undefined;
  #controller: AbortController | undefined;
  #released: Promise<ReleaseOutcome> | undefined;

  constructor(care: HoldCare, terms: HoldTerms, validity: Validity) {
    this.#care = care;
    this.kind = terms.kind;
    this.key = terms.label;
    this.keys = terms.labels;
    this.holds = terms.holds;
    this.token = terms.token;
    this.fair = terms.fair;
    this.waited = terms.waited;
    this.ttlMs = terms.ttlMs;
    this.#maxHoldMs = terms.maxHoldMs;
    this.heldSince = performance.now();
    this.#validity = validity;
    this.#accept(validity);
  }

  get signal(): AbortSignal {
    if (!this.#ended && this.validForMs() === 0) this.expire();
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#ended) this.#controller.abort(this.#reason());
    }
    return this.#controller.signal;
  }

  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  validForMs(): number {
    if (this.#ended) return 0;
    return Math.max(0, this.#usableMs - elapsedSince(this.#validity.since));
  }

  assertHeld(): void {
    if (!this.#ended && this.validForMs() === 0) this.expire();
    if (this.#ended) throw this.#reason();
  }

  async extend(ttl: Duration): Promise<void> {
    const ttlMs = this.#care.resolveTtl(ttl);
    this.assertHeld();
    if (ttlMs > this.#leftOfHold()) {
      throw new LockCallError(
        `ttl is '${ttl}': ${named(this.kind, this.key)} would be held for longer than its "maxHold" of ${this.#maxHoldMs}ms. ` +
          'Extend it by less, or raise "maxHold".',
      );
    }
    if (ttlMs < leftOf(this.#validity)) this.#shorten({ since: thisMoment(), ms: ttlMs });
    await this.#care.renew(this, ttlMs);
    this.assertHeld();
    this.ttlMs = ttlMs;
  }

  release({ keepMs = 0 }: { readonly keepMs?: number } = {}): Promise<ReleaseOutcome> {
    this.#released ??= this.#release(keepMs);
    return this.#released;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release().catch(() => 'it ends with its validity');
  }

  /** What to ask for next; undefined when it has been held for as long as it may. */
  renewal(ttlMs = this.ttlMs): readonly Renewal[] | undefined {
    const allowed = Math.min(ttlMs, Math.floor(this.#leftOfHold()));
    if (allowed < 1 || (allowed < ttlMs && allowed < leftOf(this.#validity) + 1)) return undefined;
    return this.holds.map((hold) => ({ ...hold, ttlMs: allowed }));
  }

  /** The store has answered. */
  renewed(renewals: readonly Renewal[], answers: readonly Renewed[]): void {
    if (this.#ended) return;
    const validities: Validity[] = [];
    for (const [index, answer] of answers.entries()) {
      if (answer.state !== 'renewed') return this.lose(lossOf(this, answer.state));
      validities.push({ since: answer.since, ms: renewals[index]!.ttlMs });
    }
    const validity = validities.reduce(lesser);
    const isOlder = this.#shortened && validity.since.monotonic <= this.#shortened.since.monotonic;
    this.#accept(isOlder ? lesser(validity, this.#shortened!) : validity);
    this.#care.reschedule(this);
  }

  expire(): void {
    const reason =
      this.#leftOfHold() <= EARLY_MS + this.#validity.ms * DRIFT
        ? `it was held for as long as "maxHold" allows (${this.#maxHoldMs}ms). Raise it, or shorten the section.`
        : `it could not be renewed within ${this.#validity.ms}ms. Redis did not answer in time, or this process stood still.`;
    this.lose(new LockExpiredError(this.key, this.token, reason, this.kind));
  }

  /** Takes it away from its user, and releases it. */
  async giveUp(reason: string): Promise<void> {
    this.lose(new LockExpiredError(this.key, this.token, reason, this.kind));
    await this.release();
  }

  lose(reason: LockLostError): void {
    if (this.#ended) return;
    this.#ended = reason;
    this.#care.forget(this, reason);
    this.#controller?.abort(reason);
  }

  async #release(keepMs: number): Promise<ReleaseOutcome> {
    if (!this.#ended) {
      this.wasValid = this.validForMs() > 0;
      this.#ended = 'released';
      this.#care.forget(this);
      this.#controller?.abort(this.#reason());
    }
    try {
      return await this.#care.release(this, keepMs);
    } catch (error) {
      throw new LockUnreachableError(this.key, { cause: error }, this.kind);
    }
  }

  /** Made when it is asked for: most locks are released without anybody asking. */
  #reason(): LockLostError | LockReleasedError {
    return this.#ended instanceof LockLostError ? this.#ended : new LockReleasedError(this.key, this.token, this.kind);
  }

  #accept(validity: Validity): void {
    this.#validity = validity;
    this.#usableMs = validity.ms - validity.ms * DRIFT - EARLY_MS;
    // Of a grant that is worth less than asked for, the rest is fetched in the same way.
    this.renewAt = validity.since.monotonic + validity.ms / RENEWALS_PER_TTL;
  }

  /** Redis may have done it though the answer is lost, so it counts from the question on. */
  #shorten(validity: Validity): void {
    this.#shortened = validity;
    this.#accept(validity);
    this.#care.reschedule(this);
  }

  #leftOfHold(): number {
    return this.#maxHoldMs - (performance.now() - this.heldSince);
  }
}

function leftOf({ since, ms }: Validity): number {
  return ms - elapsedSince(since);
}

function lesser(one: Validity, other: Validity): Validity {
  return leftOf(other) < leftOf(one) ? other : one;
}

function lossOf({ key, token, kind }: KeptLock, how: Exclude<ReleaseOutcome, 'released'>): LockLostError {
  if (how === 'forced') return new LockForcedError(key, token, kind);
  if (how === 'stolen') return new LockStolenError(key, token, kind);
  return new LockExpiredError(
    key,
    token,
    'its time was over in Redis before it was renewed, and nobody has taken it since.',
    kind,
  );
}
