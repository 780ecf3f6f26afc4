import type { Claim, LockDriver } from '../drivers/lock-driver.js';
import { Arrivals } from './arrivals.js';
import type { Waiter } from './waiter.js';

const RETRY_MS = 250;
// Who is not first lets the process of the first ask first.
const POLITE_MS = 30;
const SPREAD_MS = 70;

/** All of this process that wait for one lock. It says for them that they are alive, about once a second, and when a hold expires. */
export class Line {
  readonly #waiters = new Arrivals<Waiter>();
  #timer: NodeJS.Timeout | undefined;
  #beating = false;
  #beatAt = Number.POSITIVE_INFINITY;
  #again = false;

  /**
   * @param emptied nobody waits any more
   * @param giveBack gives up what a claim was granted whose waiter has left
   */
  constructor(
    private readonly driver: LockDriver,
    private readonly timeoutMs: number,
    private readonly emptied: () => void,
    private readonly giveBack: (claim: Claim) => void,
  ) {}

  /** The first in the line that may be preferred to others. */
  get first(): string | undefined {
    return this.#waiters.find(({ isGranted }) => !isGranted)?.claim.id;
  }

  find(id: string): Waiter | undefined {
    return this.#waiters.find(({ claim }) => claim.id === id);
  }

  /** @param nextMs when the store has something to grant even if nobody releases; 0: not known */
  add(waiter: Waiter, nextMs: number): void {
    this.#waiters.add(waiter);
    this.#beatIn(nextMs > 0 ? Math.min(waiter.beatMs, nextMs + this.#politeness(false)) : waiter.beatMs);
  }

  remove(waiter: Waiter): void {
    this.#waiters.delete(waiter);
    if (!this.#waiters.isEmpty) return;
    this.close();
    this.emptied();
  }

  /** Something may have been missed. */
  beatNow(): void {
    if (this.#beating) this.#again = true;
    else void this.#beat();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#beatAt = Number.POSITIVE_INFINITY;
  }

  #beatIn(ms: number): void {
    const beatAt = performance.now() + ms;
    if (this.#beating || beatAt >= this.#beatAt) return;
    clearTimeout(this.#timer);
    this.#beatAt = beatAt;
    this.#timer = setTimeout(() => void this.#beat(), ms);
  }

  async #beat(): Promise<void> {
    this.close();
    const waiting = this.#waiters.all().filter(({ isGranted }) => !isGranted);
    if (waiting.length === 0) return;
    this.#beating = true;
    let nextMs = RETRY_MS;
    try {
      const claims = waiting.map(({ claim }) => claim);
      const beat = await this.driver.beat(claims, performance.now() + this.timeoutMs);
      waiting.forEach((waiter, index) => {
        const token = beat.tokens[index];
        if (token === undefined) [waiter.provenAt, waiter.provenToken] = [beat.since, beat.lastToken];
        else if (this.#waiters.has(waiter)) waiter.hand(token, true);
        // It has left without it, and this beat may have come after that.
        else if (!waiter.isGranted) this.giveBack(waiter.claim);
      });
      // Also of those that have come meanwhile.
      nextMs = this.#waiters.all().reduce((least, { beatMs }) => Math.min(least, beatMs), Infinity);
      if (beat.nextMs > 0) nextMs = Math.min(nextMs, beat.nextMs + this.#politeness(beat.first));
    } catch {
      // Redis is away: those who wait go on waiting for as long as they were told to.
    }
    this.#beating = false;
    if (this.#again) nextMs = 0;
    this.#again = false;
    if (!this.#waiters.isEmpty) this.#beatIn(nextMs);
  }

  #politeness(first: boolean): number {
    return first ? 1 : POLITE_MS + Math.random() * SPREAD_MS;
  }
}
