import { HANDED_MS, type Claim } from '../drivers/lock-driver.js';
import type { Member } from '../members.js';
import { elapsedSince, thisMoment, type Moment } from '../moment.js';
import type { Arrival } from './arrivals.js';

/** What a claim was granted. */
export interface Grant {
  readonly token: bigint;
  /** From when it is valid, and for how long. */
  readonly since: Moment;
  readonly ms: number;
  /** Whether it had to be waited for. */
  readonly waited: boolean;
}

/** Who waits is told no more than that, with the reason; undefined when the wait is over. */
export type WaitEnd = { readonly cause: unknown } | undefined;

/** A claim that waits. */
export class Waiter implements Member, Arrival<Waiter> {
  /** When it was certain last that nothing had been granted to it yet: what is granted later is valid from then on, at least. */
  provenAt: Moment = thisMoment();
  /** The last token of the lock at that time: what is told of a smaller one was over before. */
  provenToken = 0n;
  place = -1;
  ahead: Waiter | undefined;
  behind: Waiter | undefined;
  #grant: Grant | undefined;
  #finish: ((how: Grant | WaitEnd) => void) | undefined;

  constructor(readonly claim: Claim) {}

  get isGranted(): boolean {
    return this.#grant !== undefined;
  }

  /** Resolves when it is granted, or its wait is ended. */
  outcome(): Promise<Grant | WaitEnd> {
    return new Promise((resolve) => {
      this.#finish = resolve;
      if (this.#grant) resolve(this.#grant);
    });
  }

  /** Ends the wait for the outcome. */
  end(how: WaitEnd): void {
    this.#finish?.(how);
  }

  /** What it is granted without having asked in the same call is worth. */
  get handedMs(): number {
    return Math.min(this.claim.ttlMs, HANDED_MS);
  }

  /** How long it may be until the store must be told again that it waits. */
  get beatMs(): number {
    return this.handedMs / 3;
  }

  /** @param isNow whether the store has just said so, and not at any time before */
  hand(token: bigint, isNow = false): void {
    if (this.#grant || (!isNow && token <= this.provenToken)) return;
    this.#grant = { token, since: this.provenAt, ms: this.handedMs, waited: true };
    this.#finish?.(this.#grant);
  }
}

/** Whether enough of a grant is left to begin with it, and to renew it meanwhile. */
export function isFresh({ since, ms }: Grant): boolean {
  return ms - elapsedSince(since) > ms / 3;
}
