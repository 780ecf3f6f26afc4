import type { LockKind } from './lock-kind.js';
import type { ResolvedAcquireOptions } from './lock.options.js';

/** One lock that is asked for: a mutex, a permit of a semaphore, or a side of a read-write lock. */
export interface LockTarget {
  readonly kind: LockKind;
  /** As its user names it; shown in errors. */
  readonly label: string;
  /** Of the store. */
  readonly key: string;
  readonly permits: number;
  readonly weight: number;
}

/** What is asked of LockCore: all targets, under the same options. */
export interface LockRequest extends ResolvedAcquireOptions {
  readonly targets: readonly LockTarget[];
}

/** All that is asked for by one call. Field by field: spreading the options would cost more than all else before the command is sent. */
export function requestFor(
  targets: readonly LockTarget[],
  { waitMs, ttlMs, maxHoldMs, delayMs, fair, signal }: ResolvedAcquireOptions,
): LockRequest {
  return { targets, waitMs, ttlMs, maxHoldMs, delayMs, fair, signal };
}
