import type { LockKind } from '../lock-kind.js';
import type { LockTarget } from '../lock-request.js';
import type { Lock } from '../lock.js';
import { LockNotHeldError } from '../lock.errors.js';
import { currentSection, sectionsOf } from './current-section.js';
import type { SectionFrame } from './section-frame.js';

/**
 * The lock of the section that this call runs in: of withLock(), @WithLock, @ScheduledLock, or of a semaphore or a read-write lock.
 * The innermost one, if it runs in several.
 *
 * @throws LockNotHeldError outside of sections
 */
export function currentLock(): Lock {
  const section = currentSection();
  if (!section) throw new LockNotHeldError(undefined);
  return section.hold.lock;
}

/**
 * Throws unless this call runs in a section whose lock is held now. Put it where code relies on its callers to have locked.
 *
 * @param key what the section has to hold by itself alone. That of a job is `scheduled:<name>`. Without it any section will do, and the
 *   innermost one is looked at.
 * @param kind what `key` is the name of: of a semaphore all permits have to be held, of a read-write lock the write side.
 *   @default 'job' for what begins with `scheduled:`, else 'lock'
 * @throws LockNotHeldError; LockExpiredError, LockStolenError, LockForcedError, LockReleasedError when it is not held any more
 */
export function assertLocked(key?: string, kind: LockKind = key?.startsWith('scheduled:') ? 'job' : 'lock'): void {
  const section = key === undefined ? currentSection() : exclusiveSection(key, kind);
  if (!section) throw new LockNotHeldError(key, kind);
  section.hold.lock.assertHeld();
}

function exclusiveSection(label: string, kind: LockKind): SectionFrame | undefined {
  const innermost = currentSection();
  if (!innermost) return undefined;
  for (const section of sectionsOf(innermost.owner)) {
    const { targets } = section.hold;
    const holds = (target: LockTarget): boolean =>
      target.label === label && target.kind === kind && target.weight === target.permits;
    if (targets.some(holds)) return section;
  }
  return undefined;
}
