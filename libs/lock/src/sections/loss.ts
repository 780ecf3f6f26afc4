import type { LockKind } from '../lock-kind.js';
import type { Lock, ReleaseOutcome } from '../lock.js';
import { LockExpiredError, LockForcedError, LockLostError, LockStolenError } from '../lock.errors.js';

/** How a lock was lost by now, if it was; undefined also for one that its holder has released. */
export function lossOf(lock: Lock): LockLostError | undefined {
  try {
    lock.assertHeld();
    return undefined;
  } catch (error) {
    return error instanceof LockLostError ? error : undefined;
  }
}

/** What its release says about a lock that was believed to be held. */
export function lossBy(outcome: ReleaseOutcome, { key, token }: Lock, kind: LockKind): LockLostError | undefined {
  switch (outcome) {
    case 'released':
      return undefined;
    case 'expired':
      return new LockExpiredError(key, token, 'Redis had ended it before it was released.', kind);
    case 'stolen':
      return new LockStolenError(key, token, kind);
    case 'forced':
      return new LockForcedError(key, token, kind);
  }
}
