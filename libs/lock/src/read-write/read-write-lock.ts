import { lockKey } from '../lock-key.js';
import { requestFor, type LockRequest, type LockTarget } from '../lock-request.js';
import type { LockSource, SectionRunner } from '../lock-source.js';
import type { Lock } from '../lock.js';
import { resolveAcquireOptions, type AcquireOptions } from '../lock.options.js';
import { tryAcquire, type TryOptions } from '../try-acquire.js';

/** A reader takes one, a writer all: more readers than there will ever be at a time. */
const PERMITS = 1_000_000;

/**
 * Many may read at a time, or one may write, over all processes. Who waits is served in the order of arrival, so readers that
 * come after a writer wait behind it, and it is not kept waiting by readers that keep coming.
 *
 * Each reader is written into the state of the lock, which every call reads: it is meant for some hundred at a time.
 *
 * @example
 * ```ts
 * const document = locks.readWrite(`document:${id}`);
 * const text = await document.read(() => load(id));
 * await document.write((lock) => save(id, text, { fence: lock.token }));
 * ```
 */
export class ReadWriteLock {
  readonly #reader: LockTarget;
  readonly #writer: LockTarget;

  /**
   * @param name the same in all processes
   * @throws LockCallError for no name
   */
  constructor(
    readonly name: string,
    private readonly source: LockSource<Lock>,
    private readonly sections: SectionRunner,
  ) {
    const key = lockKey(`${source.root}rw:`, name);
    this.#reader = { kind: 'read-write', label: name, key, permits: PERMITS, weight: 1 };
    this.#writer = { kind: 'read-write', label: name, key, permits: PERMITS, weight: PERMITS };
  }

  /**
   * Waits until nobody writes, and no writer has come earlier.
   *
   * @throws LockBusyError, LockUnreachableError, LockAbortedError, LockCallError; LockNestedError within a section that would have to end first
   */
  async acquireRead(options?: AcquireOptions): Promise<Lock> {
    return this.source.acquire(this.#request(this.#reader, options));
  }

  /**
   * Waits until nobody reads or writes.
   *
   * @throws LockBusyError, LockUnreachableError, LockAbortedError, LockCallError; LockNestedError within a section that would have to end first
   */
  async acquireWrite(options?: AcquireOptions): Promise<Lock> {
    return this.source.acquire(this.#request(this.#writer, options));
  }

  /**
   * Asks once. Resolves to null while somebody writes, or waits to.
   *
   * @throws LockUnreachableError, LockAbortedError, LockCallError; LockNestedError within a section that would have to end first
   */
  async tryRead(options?: TryOptions): Promise<Lock | null> {
    return tryAcquire(this.source, [this.#reader], options);
  }

  /**
   * Asks once. Resolves to null while somebody reads or writes.
   *
   * @throws LockUnreachableError, LockAbortedError, LockCallError; LockNestedError within a section that would have to end first
   */
  async tryWrite(options?: TryOptions): Promise<Lock | null> {
    return tryAcquire(this.source, [this.#writer], options);
  }

  /**
   * Waits as {@link acquireRead}, runs `fn`, and releases. Resolves to what `fn` returns.
   *
   * @throws what `fn` throws, and what {@link acquireRead} throws
   */
  async read<T>(fn: (lock: Lock) => T | Promise<T>, options?: AcquireOptions): Promise<T> {
    return this.sections.run(this.#request(this.#reader, options), fn);
  }

  /**
   * Waits as {@link acquireWrite}, runs `fn`, and releases. Resolves to what `fn` returns.
   *
   * @throws what `fn` throws, and what {@link acquireWrite} throws; LockNestedError within {@link read}: who reads cannot
   *   wait for all readers
   */
  async write<T>(fn: (lock: Lock) => T | Promise<T>, options?: AcquireOptions): Promise<T> {
    return this.sections.run(this.#request(this.#writer, options), fn);
  }

  #request(target: LockTarget, options: AcquireOptions | undefined): LockRequest {
    return requestFor([target], resolveAcquireOptions(options, this.source.options));
  }
}
