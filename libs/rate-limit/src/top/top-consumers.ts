import { RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';
import { RateLimitCallError } from '../rate-limit.errors.js';
import { subjectName } from '../overrides/subject-name.js';
import { SpaceSaving, type Counted } from './space-saving.js';
import { byMost, KEPT, type TopStore } from './top-store.js';

/** A subject that uses a policy much, in the last ten to twenty minutes. */
export interface TopConsumer {
  /** A long one is shown as `%sha256:` and its digest. */
  readonly subject: string;
  /** How much it was charged, at least; also what it got back later. */
  readonly taken: number;
  /** How many of its calls were denied, at least. */
  readonly denied: number;
}

const COUNTERS = 100;
const FLUSH_MS = 5_000;

/**
 * Who uses each policy most. Each process counts what it decides, in a bounded number of counters, and adds that up with the
 * others every few seconds. What was counted in an outage, and not told yet, may be lost.
 */
export class TopConsumers {
  #counting = new Map<string, SpaceSaving>();
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> = Promise.resolve();

  constructor(private readonly store: TopStore) {}

  start(): void {
    this.#timer = setInterval(() => void this.flush(), FLUSH_MS).unref();
  }

  /** Adds up what is left, for as long as the store takes at most. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  /** Counts a call that was decided. */
  note(policy: string, subject: string, cost: number, allowed: boolean): void {
    let counters = this.#counting.get(policy);
    if (counters === undefined) this.#counting.set(policy, (counters = new SpaceSaving(COUNTERS)));
    if (allowed) counters.add(subject, cost, 0);
    else counters.add(subject, 0, 1);
  }

  /**
   * Those with the most, by what they were given and how often they were denied, together.
   *
   * @param count a whole number from 1 to 1,000
   * @throws RateLimitCallError for another count; RedisUnreachableError, RedisTimeoutError
   */
  async top(policy: string, count: number): Promise<readonly TopConsumer[]> {
    if (!Number.isInteger(count) || count < 1 || count > KEPT) {
      throw new RateLimitCallError(
        `The number of top consumers is ${String(count)}. Give a whole number from 1 to ${KEPT}.`,
      );
    }
    await this.flush();
    const all = new Map<string, TopConsumer>();
    for (const { subject, taken, denied } of await this.store.read(policy)) {
      const known = all.get(subject);
      all.set(subject, { subject, taken: taken + (known?.taken ?? 0), denied: denied + (known?.denied ?? 0) });
    }
    return [...all.values()].sort(byMost).slice(0, count);
  }

  /** One after the other; resolves when all is told that was counted by the time of the call, or could not be. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#flush());
    return this.#flushing;
  }

  async #flush(): Promise<void> {
    const counted = this.#counting;
    this.#counting = new Map();
    await Promise.all([...counted].map(([policy, counters]) => this.#tell(policy, counters)));
  }

  async #tell(policy: string, counters: SpaceSaving): Promise<void> {
    try {
      await this.store.add(policy, named(counters));
    } catch (error) {
      // What may have been added is not added again.
      if (wasNotAdded(error)) this.#countAgain(policy, counters);
    }
  }

  #countAgain(policy: string, counters: SpaceSaving): void {
    const since = this.#counting.get(policy);
    this.#counting.set(policy, counters);
    for (const { subject, taken, denied } of since?.all() ?? []) counters.add(subject, taken, denied);
  }
}

/** By their names: different ones stay different, as only a digest looks like one. */
function named(counters: SpaceSaving): readonly Counted[] {
  return counters.all().map((counted) => ({ ...counted, subject: subjectName(counted.subject) }));
}

function wasNotAdded(error: unknown): boolean {
  const known = error instanceof RedisUnreachableError || error instanceof RedisTimeoutError;
  return known && error.outcome === 'not-executed';
}
