export { LockModule, type LockModuleAsyncOptions } from './lock.module.js';
export type { AcquireOptions, LockModuleOptions, ReplicasOptions } from './lock.options.js';
export { LockService } from './lock.service.js';
export type { TryOptions } from './try-acquire.js';
export type { Lock, ReleaseOutcome } from './lock.js';
export { Semaphore, type SemaphoreOptions } from './semaphore/semaphore.js';
export { ReadWriteLock } from './read-write/read-write-lock.js';
export { Election, type ElectionHandlers } from './election/election.js';
export type { ElectionOptions } from './election/election.options.js';
export { LockAdmin, type LockHolding, type LockInfo } from './admin/lock-admin.js';
export { WithLock, type LockKeys, type WithLockOptions } from './decorators/with-lock.decorator.js';
export { ScheduledLock } from './decorators/scheduled-lock.decorator.js';
export type { ScheduledLockOptions } from './decorators/scheduled-lock.options.js';
export type { LockedMethodDecorator, SkippableMethodDecorator } from './decorators/locked-method.js';
export { assertLocked, currentLock } from './sections/current-lock.js';
export { Fence, fence, type FencedSql, type SqlTag } from './fencing/fence.js';
export { FencedStore, type FencedScriptOptions, type FencedSetOptions } from './fencing/fenced-store.js';
export { FencedWriteRejectedError, type FencedWriteRejection } from './fencing/fenced-write-rejected.error.js';
export { LOCK_CHANNEL, type LockEvent } from './lock-events.js';
export type { LockKind } from './lock-kind.js';
export {
  LockAbortedError,
  LockBusyError,
  LockCallError,
  LockExpiredError,
  LockForcedError,
  LockLostError,
  LockNestedError,
  LockNotHeldError,
  LockOptionsError,
  LockReleasedError,
  LockReplicasError,
  LockStolenError,
  LockUnreachableError,
  type LockBusyDetails,
  type LockHolder,
} from './lock.errors.js';
