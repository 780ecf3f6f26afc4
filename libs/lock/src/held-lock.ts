import type { Lock, ReleaseOutcome } from './lock.js';

/** A lock as what stands on LockCore sees it. */
export interface HeldLock extends Lock {
  /** @param options.keepMs for how long after its grant nobody else is granted, though it is released */
  release(options?: { readonly keepMs?: number }): Promise<ReleaseOutcome>;
}
