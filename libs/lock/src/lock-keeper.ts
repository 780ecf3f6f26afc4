import type { LockDriver, Renewal } from './drivers/lock-driver.js';
import type { KeptLock } from './kept-lock.js';
import { LockForcedError } from './lock.errors.js';
import { isOutage } from './is-outage.js';
import { Members } from './members.js';

// How soon a machine that was asleep finds out; its monotonic clock has stood still.
const LONGEST_SLEEP_MS = 250;
// Those that are due soon are renewed along.
const TOGETHER_MS = 500;
const RETRY_MS = 250;
// Two keys of different slots, which are together on one server only.
const APART = ['{a}', '{b}'];

/**
 * Looks after all locks of a process with one timer: renews them together, and ends those whose validity is over, whatever Redis
 * does.
 */
export class LockKeeper {
  readonly #locks = new Members<KeptLock>();
  #timer: NodeJS.Timeout | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;
  #onEmpty: (() => void) | undefined;

  /** @param timeoutMs how long a renewal waits for Redis */
  constructor(
    private readonly driver: LockDriver,
    private readonly timeoutMs: number,
  ) {}

  get locks(): Iterable<KeptLock> {
    return this.#locks;
  }

  add(lock: KeptLock): void {
    this.#locks.add(lock);
    this.reschedule(lock);
  }

  forget(lock: KeptLock): void {
    this.#locks.delete(lock);
    if (this.#locks.size === 0) this.#onEmpty?.();
  }

  /** Resolves when there is none left, or the time is over. */
  async emptied(withinMs: number): Promise<void> {
    if (this.#locks.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
      timer = setTimeout(resolve, withinMs);
    });
    clearTimeout(timer);
  }

  /** The timer goes on by itself: between two short sections it need not be stopped. */
  reschedule(lock: KeptLock): void {
    const now = performance.now();
    this.#sleepUntil(now, Math.min(lock.renewAt, now + lock.validForMs()));
  }

  /** Another server may have taken over, which knows less: what it does not know is lost. */
  renewSoon(): void {
    for (const lock of this.#locks) lock.renewAt = Math.min(lock.renewAt, 0);
    const now = performance.now();
    if (this.#locks.size > 0) this.#sleepUntil(now, now);
  }

  has(id: string): boolean {
    return this.#find(id) !== undefined;
  }

  /** An operator has taken a hold away. */
  forced(id: string): void {
    const lock = this.#find(id);
    lock?.lose(new LockForcedError(lock.key, lock.token, lock.kind));
  }

  /** Asks for one lock at once. */
  async renew(lock: KeptLock, ttlMs: number): Promise<void> {
    const renewals = lock.renewal(ttlMs);
    // It has been held for as long as it may in this very moment.
    if (!renewals) return;
    // What the timer would ask for meanwhile is the time that the lock had before.
    lock.renewing = true;
    try {
      lock.renewed(renewals, await this.driver.renew(renewals, performance.now() + this.timeoutMs));
    } finally {
      lock.renewing = false;
      if (!lock.hasEnded) this.reschedule(lock);
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #find(id: string): KeptLock | undefined {
    return this.#locks.find(({ holds }) => holds.some((hold) => hold.id === id));
  }

  #sleepUntil(now: number, moment: number): void {
    const wakeAt = Math.min(moment, now + LONGEST_SLEEP_MS);
    if (this.#timer && this.#wakeAt <= wakeAt) return;
    clearTimeout(this.#timer);
    this.#wakeAt = wakeAt;
    // Who holds a lock is at work, and keeps the process alive by that.
    this.#timer = setTimeout(this.#wake, Math.max(0, wakeAt - now)).unref();
  }

  readonly #wake = (): void => {
    this.#timer = undefined;
    const now = performance.now();
    const due: KeptLock[] = [];
    let isDue = false;
    let next = Number.POSITIVE_INFINITY;
    for (const lock of this.#locks) {
      const left = lock.validForMs();
      if (left === 0) {
        lock.expire();
        continue;
      }
      next = Math.min(next, now + left);
      if (lock.renewing) continue;
      if (lock.renewAt <= now + TOGETHER_MS) due.push(lock);
      isDue ||= lock.renewAt <= now;
      next = Math.min(next, Math.max(lock.renewAt, now + 1));
    }
    if (isDue) this.#renewAll(due);
    if (this.#locks.size > 0) this.#sleepUntil(now, next);
  };

  #renewAll(locks: readonly KeptLock[]): void {
    const asked: [KeptLock, readonly Renewal[]][] = [];
    for (const lock of locks) {
      const renewals = lock.renewal();
      // Held for as long as it may be: it ends with its validity.
      if (!renewals) lock.renewAt = Number.POSITIVE_INFINITY;
      else asked.push([lock, renewals]);
    }
    if (asked.length > 0) void this.#ask(asked);
  }

  /** @param singly each hold by a call of its own */
  async #ask(asked: readonly [KeptLock, readonly Renewal[]][], singly = false): Promise<void> {
    for (const [lock] of asked) lock.renewing = true;
    const renewals = asked.flatMap(([, each]) => each);
    const giveUpAt = performance.now() + this.timeoutMs;
    let isWorthRepeating = false;
    try {
      const calls = singly ? renewals.map((renewal) => [renewal]) : [renewals];
      const answers = (await Promise.all(calls.map((call) => this.driver.renew(call, giveUpAt)))).flat();
      let from = 0;
      for (const [lock, each] of asked) lock.renewed(each, answers.slice(from, (from += each.length)));
    } catch (error) {
      // One key that holds something else must not end all others, nor one server of a Cluster that is away, nor a slot that moves.
      isWorthRepeating = !singly && renewals.length > 1 && !(isOutage(error) && this.driver.together(APART));
      for (const [lock] of asked) lock.renewAt = performance.now() + RETRY_MS;
    }
    for (const [lock] of asked) {
      lock.renewing = false;
      if (!lock.hasEnded) this.reschedule(lock);
    }
    if (isWorthRepeating) for (const one of asked) void this.#ask([one], true);
  }
}
