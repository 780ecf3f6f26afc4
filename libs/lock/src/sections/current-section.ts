import { AsyncLocalStorage } from 'node:async_hooks';
import type { SectionFrame } from './section-frame.js';

// One for all applications of the process: currentLock() is a plain function, and cannot know whose it is. They do not mix, as
// each section says whose it is: LockSections looks at its own only, and assertLocked() at those of the innermost one's owner.
const storage = new AsyncLocalStorage<SectionFrame | undefined>();

/** The innermost section that this call runs in and that has not ended, be it of this application or of another one. */
export function currentSection(): SectionFrame | undefined {
  const frame = storage.getStore();
  return frame?.ended ? frame.around : frame;
}

/** The sections of one owner that this call runs in, the innermost first. */
export function* sectionsOf(owner: object): Generator<SectionFrame, void, undefined> {
  for (let frame = currentSection(); frame; frame = frame.around) if (frame.owner === owner) yield frame;
}

/** Whatever `fn` calls and starts knows of the section. */
export function runInside<T>(frame: SectionFrame, fn: () => T): T {
  return storage.run(frame, fn);
}

/** For what goes on after the section, such as a timer or a link to Redis: its callbacks are not part of it. */
export function runOutside<T>(fn: () => T): T {
  // Not when it is not needed: once used, the storage makes every promise of the process slower.
  return storage.getStore() === undefined ? fn() : storage.run(undefined, fn);
}
