import { Injectable } from '@nestjs/common';
import { LockAdmin } from './admin/lock-admin.js';
import type { ElectionHandlers, Election } from './election/election.js';
import type { ElectionOptions } from './election/election.options.js';
import type { Elections } from './election/elections.js';
import type { Lock } from './lock.js';
import { LockCallError } from './lock.errors.js';
import { requestFor } from './lock-request.js';
import { resolveAcquireOptions, type AcquireOptions } from './lock.options.js';
import { ReadWriteLock } from './read-write/read-write-lock.js';
import { resolveKeys } from './resolve-keys.js';
import type { LockSections } from './sections/lock-sections.js';
import { runOutside } from './sections/current-section.js';
import { Semaphore } from './semaphore/semaphore.js';
import { tryAcquire, type TryOptions } from './try-acquire.js';

/**
 * Locks that all processes of an application share: fair, fenced by tokens, and aborted before they expire.
 *
 * @example
 * ```ts
 * await locks.withLock(`order:${id}`, async (lock) => {
 *   const order = await load(id, { signal: lock.signal });
 *   await save(pay(order), { fence: lock.token });
 * });
 * ```
 */
@Injectable()
export class LockService {
  constructor(
    private readonly sections: LockSections,
    private readonly elections: Elections,
    /** For operators. */
    readonly admin: LockAdmin,
  ) {}

  /**
   * Waits for the lock. Of several keys all are held, or none. On one server they are granted at one moment if all are free;
   * else, and on a Cluster where their slots differ, they are locked one after the other in the order of their keys.
   * Release it in `finally`, or write `await using lock = await locks.acquire(key)`; there, `return promise` without `await` releases
   * it before the promise has settled.
   *
   * @param key any text; a hash tag in it, as in `account:{42}:a`, chooses its slot on a Cluster
   * @throws LockBusyError after `wait`; LockUnreachableError when Redis cannot be asked; LockAbortedError; LockNestedError within a
   *   section that holds it; LockCallError for wrong keys or options. Nothing is held then
   */
  acquire(key: string | readonly string[], options?: AcquireOptions): Promise<Lock> {
    try {
      const resolved = resolveAcquireOptions(options, this.sections.options);
      return this.sections.acquire(requestFor(resolveKeys(this.sections.root, key), resolved));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Asks once. Resolves to null when somebody holds the lock, or waits for it.
   *
   * @throws LockUnreachableError, LockAbortedError, LockNestedError, LockCallError
   */
  async tryAcquire(key: string | readonly string[], options?: TryOptions): Promise<Lock | null> {
    return tryAcquire(this.sections, resolveKeys(this.sections.root, key), options);
  }

  /**
   * Waits for the lock, runs `fn`, and releases. Resolves to what `fn` returns. Within `fn` a withLock() of the same key enters
   * without waiting; such sections that `fn` runs at the same time take turns.
   *
   * @throws what `fn` throws; what {@link acquire} throws, also for an `fn` that is no function; LockExpiredError, LockStolenError or LockForcedError when the lock was lost while
   *   `fn` did its work, so that it may not have been alone
   */
  async withLock<T>(
    key: string | readonly string[],
    fn: (lock: Lock) => T | Promise<T>,
    options?: AcquireOptions,
  ): Promise<T> {
    const resolved = resolveAcquireOptions(options, this.sections.options);
    if (typeof fn !== 'function')
      throw new LockCallError(
        `The second argument of withLock() is of type ${typeof fn}. Give the function to run while the lock is held.`,
      );
    return this.sections.run(requestFor(resolveKeys(this.sections.root, key), resolved), fn);
  }

  /**
   * At most so many holders at a time, over all processes. All name the same number of permits.
   *
   * @param permits from 1 to 1,000
   * @throws LockCallError for another number, or no name
   */
  semaphore(name: string, permits: number): Semaphore {
    return new Semaphore(name, permits, this.sections, this.sections);
  }

  /**
   * Many readers or one writer, over all processes.
   *
   * @throws LockCallError for no name
   */
  readWrite(name: string): ReadWriteLock {
    return new ReadWriteLock(name, this.sections, this.sections);
  }

  /**
   * Stands for election until it is closed: of all processes one leads.
   *
   * @throws LockCallError for no name, no `onElected`, or wrong options
   */
  elect(name: string, handlers: ElectionHandlers, options?: ElectionOptions): Election {
    // Who is elected later does not run in the section that this call runs in.
    return runOutside(() => this.elections.elect(name, handlers, options));
  }
}
