import { lockKey } from '../lock-key.js';
import { requestFor, type LockTarget } from '../lock-request.js';
import type { LockSource, SectionRunner } from '../lock-source.js';
import type { Lock } from '../lock.js';
import { LockCallError } from '../lock.errors.js';
import { resolveAcquireOptions, type AcquireOptions } from '../lock.options.js';
import { quote } from '../quote.js';
import { tryAcquire } from '../try-acquire.js';

/** What a call for permits may say. */
export interface SemaphoreOptions extends AcquireOptions {
  /** How many of the permits it takes, all at one moment. @default 1 */
  readonly permits?: number;
}

// Every holder is written into the state of the semaphore, which each call reads.
const MOST_PERMITS = 1_000;

/**
 * Lets so many callers in at a time, over all processes. Who waits is served in the order of arrival: one that asks for
 * many permits is not passed by later ones that ask for few.
 *
 * All processes should agree on the number of permits. While they do not, as during a deployment that changes it, each
 * caller is let in by the number that it knows.
 *
 * @example
 * ```ts
 * const uploads = locks.semaphore('uploads', 5);
 * await uploads.with((lock) => store(file, { signal: lock.signal }));
 * await using two = await uploads.acquire({ permits: 2, wait: '30s' });
 * ```
 */
export class Semaphore {
  readonly #key: string;

  /**
   * @param name the same in all processes
   * @param permits how many there are, over all processes
   * @throws LockCallError unless there are 1 to 1,000 permits and a name
   */
  constructor(
    readonly name: string,
    readonly permits: number,
    private readonly source: LockSource<Lock>,
    private readonly sections: SectionRunner,
  ) {
    this.#key = lockKey(`${source.root}semaphore:`, name);
    if (!isCount(permits) || permits > MOST_PERMITS)
      throw new LockCallError(
        `A semaphore of ${shown(permits)} permits cannot be made. Use a whole number from 1 to ${MOST_PERMITS}: its state grows ` +
          'with those who hold it, and every call reads it.',
      );
  }

  /**
   * Waits for its turn.
   *
   * @throws LockBusyError, LockUnreachableError, LockAbortedError, LockCallError; LockNestedError within a section that would have to end first
   */
  async acquire(options?: SemaphoreOptions): Promise<Lock> {
    const { rest, target } = this.#read(options);
    return this.source.acquire(requestFor([target], resolveAcquireOptions(rest, this.source.options)));
  }

  /**
   * Asks once. Resolves to null when the permits are taken, or others wait for them.
   *
   * @throws LockUnreachableError, LockAbortedError, LockCallError; LockNestedError within a section that would have to end first
   */
  async tryAcquire(options?: Omit<SemaphoreOptions, 'wait'>): Promise<Lock | null> {
    const { rest, target } = this.#read(options);
    return tryAcquire(this.source, [target], rest);
  }

  /**
   * Waits for its turn, runs `fn`, and releases. Resolves to what `fn` returns.
   *
   * @throws what `fn` throws, and what {@link acquire} throws
   */
  async with<T>(fn: (lock: Lock) => T | Promise<T>, options?: SemaphoreOptions): Promise<T> {
    const { rest, target } = this.#read(options);
    return this.sections.run(requestFor([target], resolveAcquireOptions(rest, this.source.options)), fn);
  }

  #read(options: SemaphoreOptions | undefined): { rest: AcquireOptions | undefined; target: LockTarget } {
    const target: LockTarget = {
      kind: 'semaphore',
      label: this.name,
      key: this.#key,
      permits: this.permits,
      weight: 1,
    };
    // What is no object is refused where the rest is read.
    if (typeof options !== 'object' || options === null) return { rest: options, target };
    const { permits = 1, ...rest } = options;
    if (!isCount(permits) || permits > this.permits)
      throw new LockCallError(
        `options.permits is ${shown(permits)}. Use a whole number from 1 to ${this.permits}: semaphore ` +
          `${quote(this.name)} has no more.`,
      );
    return { rest, target: { ...target, weight: permits } };
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

function shown(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  return typeof value === 'number' || value === null || value === undefined ? String(value) : `a ${typeof value}`;
}
