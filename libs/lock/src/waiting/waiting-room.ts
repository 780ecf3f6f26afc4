import type { Busy, Claim, Hold, LockDriver } from '../drivers/lock-driver.js';
import { wasNeverSent } from '../is-outage.js';
import type { LockKind } from '../lock-kind.js';
import { LockAbortedError } from '../lock.errors.js';
import { AbortListeners } from './abort-listeners.js';
import { Members } from '../members.js';
import { Afterwork } from './afterwork.js';
import { Line } from './line.js';
import { isFresh, Waiter, type Grant, type WaitEnd } from './waiter.js';

// Of a timer; nobody waits for so long.
const LONGEST_MS = 2 ** 31 - 1;

/** How a wait ended: with a grant, or with how things stand. */
export type WaitResult = Grant | Busy;

export interface Patience {
  readonly label: string;
  readonly kind?: LockKind;
  readonly waitMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Where callers of this process wait for locks that are taken. */
export class WaitingRoom {
  /** Those that the store has not answered yet, which most never wait. */
  readonly #asking = new Members<Waiter>();
  readonly #waiting = new Members<Waiter>();
  readonly #lines = new Map<string, Line>();
  readonly #aborts = new AbortListeners();
  #closed: WaitEnd;

  constructor(
    private readonly driver: LockDriver,
    private readonly timeoutMs: number,
    private readonly afterwork: Afterwork,
  ) {}

  /** The waiter of this process that may go before all others, if there is one. */
  firstFor(key: string): string | undefined {
    return this.#lines.get(key)?.first;
  }

  isWaitedFor(key: string): boolean {
    return this.#lines.has(key);
  }

  /** A waiter was granted its claim. @returns whether there is such a waiter */
  granted({ key, id, token }: Hold): boolean {
    const isMeant = ({ claim }: Waiter): boolean => claim.id === id;
    // Mostly one of the first in its line.
    const waiter = this.#lines.get(key)?.find(id) ?? this.#asking.find(isMeant) ?? this.#waiting.find(isMeant);
    waiter?.hand(token);
    return waiter !== undefined;
  }

  /** Something may have been missed. */
  lookAround(): void {
    for (const line of this.#lines.values()) line.beatNow();
  }

  /** Ends all waits, also those to come. */
  close(cause: Error): void {
    this.#closed = { cause };
    for (const waiter of this.#waiting) waiter.end(this.#closed);
  }

  /**
   * Takes a place in the queue, unless the lock is free.
   *
   * @throws LockAbortedError; RedisUnreachableError, RedisTimeoutError and error replies when the store cannot be asked. Then nothing is
   *   held, and no place in the queue stays taken.
   */
  async wait(claim: Claim, patience: Patience): Promise<WaitResult> {
    const startedAt = performance.now();
    const endsAt = startedAt + patience.waitMs;
    const waiter = new Waiter(claim);
    this.#asking.add(waiter);
    let settled = false;
    let giveUpAt = startedAt + this.timeoutMs;
    try {
      const answer = await this.driver.acquire([claim], true, giveUpAt);
      giveUpAt = 0;
      if (answer.state === 'granted') {
        settled = true;
        return { token: answer.token, since: answer.since, ms: claim.ttlMs, waited: false };
      }
      this.#asking.delete(waiter);
      this.#waiting.add(waiter);
      if (answer.state === 'waiting' && !waiter.isGranted) {
        waiter.provenAt = answer.since;
        this.#lineOf(claim.key).add(waiter, answer.nextMs);
      }
      const result = await this.#outcome(waiter, patience, endsAt);
      settled = true;
      return result;
    } catch (error) {
      settled = giveUpAt > 0 && wasNeverSent(error);
      throw error;
    } finally {
      if (!this.#asking.delete(waiter)) {
        this.#waiting.delete(waiter);
        this.#lines.get(claim.key)?.remove(waiter);
      }
      // Whether it stands in the queue, or was granted, is not known: neither must remain.
      if (!settled) this.afterwork.run(() => this.driver.leave(claim), claim.ttlMs, giveUpAt);
    }
  }

  async #outcome(waiter: Waiter, { label, kind, signal }: Patience, endsAt: number): Promise<WaitResult> {
    const { claim } = waiter;
    const end = await this.#whicheverFirst(waiter, signal, endsAt);
    if (end === undefined) {
      // First: a beat after it would bring the waiter back.
      this.#lines.get(claim.key)?.remove(waiter);
      return this.driver.leave(claim);
    }
    if ('cause' in end) throw new LockAbortedError(label, end, kind);
    if (isFresh(end)) return end;
    // It was told late, or this process stood still: only the store knows whether it stands.
    const [renewed] = await this.driver.renew(
      [{ key: claim.key, id: claim.id, token: end.token, ttlMs: claim.ttlMs }],
      performance.now() + this.timeoutMs,
    );
    if (renewed!.state === 'renewed')
      return { token: renewed!.token, since: renewed!.since, ms: claim.ttlMs, waited: true };
    throw new MissedGrant();
  }

  /** Undefined when the wait is over. */
  async #whicheverFirst(waiter: Waiter, signal: AbortSignal | undefined, endsAt: number): Promise<Grant | WaitEnd> {
    if (signal?.aborted) return { cause: signal.reason };
    if (this.#closed) return this.#closed;
    // In whole milliseconds: Node keeps a list for each length of a timer.
    const waitMs = Math.min(LONGEST_MS, Math.max(0, Math.ceil(endsAt - performance.now())));
    const timer = setTimeout(() => waiter.end(undefined), waitMs);
    const ignore = signal && this.#aborts.add(signal, () => waiter.end({ cause: signal.reason }));
    try {
      return await waiter.outcome();
    } finally {
      clearTimeout(timer);
      ignore?.();
    }
  }

  #lineOf(key: string): Line {
    let line = this.#lines.get(key);
    if (!line) {
      const giveBack = (left: Claim): void => this.afterwork.run(() => this.driver.leave(left), left.ttlMs);
      line = new Line(this.driver, this.timeoutMs, () => this.#lines.delete(key), giveBack);
      this.#lines.set(key, line);
    }
    return line;
  }
}

/** What was granted was over before this process knew of it. */
export class MissedGrant extends Error {}
