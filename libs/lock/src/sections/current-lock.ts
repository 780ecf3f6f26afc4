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
 * @param key what the section has to hold by itself alone: a lock of this name, the write side of a read-write lock, or a semaphore with
 *   all of its permits. That of a job is `scheduled:<name>`. Without it any section will do, and the innermost one is looked at.
 * @throws LockNotHeldError; LockExpiredError, LockStolenError, LockForcedError, LockReleasedError when it is not held any more
 */
export function assertLocked(key?: string): void {
  const section = key === undefined ? currentSection() : exclusiveSection(key);
  if (!section) throw new LockNotHeldError(key);
  section.hold.lock.assertHeld();
}

function exclusiveSection(label: string): SectionFrame | undefined {
  const innermost = currentSection();
  if (!innermost) return undefined;
  for (const section of sectionsOf(innermost.owner)) {
    const { targets } = section.hold;
    if (targets.some((target) => target.label === label && target.weight === target.permits)) return section;
  }
  return undefined;
}
