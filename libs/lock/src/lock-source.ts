import type { HeldLock } from './held-lock.js';
import type { LockRequest } from './lock-request.js';
import type { Lock } from './lock.js';
import type { ResolvedLockOptions } from './lock.options.js';

/** What grants locks; LockCore does. */
export interface LockSource<L extends Lock = HeldLock> {
  /** What a call says nothing about. */
  readonly options: ResolvedLockOptions;
  /** Begins the key of every lock. */
  readonly root: string;
  /** @throws LockBusyError, LockUnreachableError, LockAbortedError */
  acquire(request: LockRequest): Promise<L>;
}

/** What runs a function while it holds locks, knows them by `currentLock()` and lets it enter again; LockSections does. */
export interface SectionRunner {
  run<T>(request: LockRequest, fn: (lock: Lock) => T | Promise<T>): Promise<T>;
}
