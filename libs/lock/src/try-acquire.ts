import type { LockSource } from './lock-source.js';
import type { LockTarget } from './lock-request.js';
import type { Lock } from './lock.js';
import { LockBusyError, LockCallError } from './lock.errors.js';
import { resolveAcquireOptions, type AcquireOptions } from './lock.options.js';

/** As {@link AcquireOptions}, for who does not wait. */
export type TryOptions = Omit<AcquireOptions, 'wait'>;

/**
 * Asks once. Resolves to null when the lock is taken.
 *
 * @throws LockCallError, LockUnreachableError, LockAbortedError
 */
export async function tryAcquire(
  source: LockSource<Lock>,
  targets: readonly LockTarget[],
  options: TryOptions | undefined,
): Promise<Lock | null> {
  const resolved = resolveAcquireOptions(options, source.options);
  if (options && 'wait' in options && options.wait !== undefined)
    throw new LockCallError(
      'options.wait means nothing to a try, which does not wait. Leave it out, or use acquire().',
    );
  try {
    return await source.acquire({ ...resolved, waitMs: 0, targets });
  } catch (error) {
    if (error instanceof LockBusyError) return null;
    throw error;
  }
}
