import { Logger } from '@nestjs/common';
import type { HeldLock } from '../held-lock.js';
import type { LockKind } from '../lock-kind.js';
import type { LockRequest, LockTarget } from '../lock-request.js';
import type { LockSource, SectionRunner } from '../lock-source.js';
import type { Lock } from '../lock.js';
import { LockLostError, LockNestedError } from '../lock.errors.js';
import type { ResolvedLockOptions } from '../lock.options.js';
import { currentSection, runInside, runOutside, sectionsOf } from './current-section.js';
import { lossBy, lossOf } from './loss.js';
import { SectionFrame, type SectionHold } from './section-frame.js';

export interface SectionEnd {
  /** For how long after its grant nobody else is granted the lock, though the section is over. */
  readonly keepMs?: number;
}

/**
 * Runs functions while they hold locks, and knows what each of them holds however deep it calls.
 *
 * A section within a section on the same lock enters without asking Redis, on the lock as it is: its own `ttl` and the like mean
 * nothing, `wait` and `signal` do. Sections that one section starts at once run one after the other. A section ends, and
 * releases, when those within it have ended, also those that nobody awaits; what starts later asks for the lock anew. A section
 * on another lock is on its own, and does not keep the ones around it from ending.
 *
 * What a section starts and leaves behind, such as a timer, is part of it until it ends.
 */
export class LockSections implements LockSource, SectionRunner {
  readonly #logger = new Logger('Lock');

  constructor(private readonly source: LockSource) {}

  get options(): ResolvedLockOptions {
    return this.source.options;
  }

  get root(): string {
    return this.source.root;
  }

  /**
   * Acquires apart from sections: who has the lock releases it.
   *
   * @throws LockNestedError when a section around this call holds the lock; LockBusyError, LockUnreachableError, LockAbortedError
   */
  acquire(request: LockRequest): Promise<HeldLock> {
    return currentSection() ? this.#acquireWithin(request) : this.source.acquire(request);
  }

  /**
   * Waits for the lock, runs `fn`, and releases. Resolves to what `fn` returns, and rejects with what it throws, whatever becomes
   * of the lock.
   *
   * Sections hold what they have asked for together: one that asks for more than the section around it, or for what two
   * sections around it hold, is refused. Locking more at that point would break the order in which all processes lock, and
   * there is no one fencing token for both.
   *
   * @throws LockBusyError, LockUnreachableError, LockAbortedError, LockNestedError before `fn` has run; LockExpiredError, LockStolenError,
   *   LockForcedError when the lock was lost while `fn` did its work, or before it ran within another section. When Redis
   *   cannot be reached to release a lock that was held until the end, that is logged, and no error
   */
  async run<T>(request: LockRequest, fn: (lock: Lock) => T | Promise<T>, end: SectionEnd = {}): Promise<T> {
    const around = this.#sectionAround(request.targets);
    if (!around) return this.#runOnNewLock(request, fn, end);
    const startedAt = performance.now();
    await around.queue.enter({ label: labelOf(request), kind: kindOf(request) }, request);
    try {
      if (!around.released) return await this.#runOnLockOf(around, fn);
    } finally {
      around.queue.leave();
    }
    const waitMs = Math.max(0, request.waitMs - (performance.now() - startedAt));
    return this.run({ ...request, waitMs }, fn, end);
  }

  /**
   * Refuses what would wait for a section that waits for it. More permits of a semaphore may be taken, if there are so many.
   *
   * @throws LockNestedError
   */
  assertNotHeldHere(targets: readonly LockTarget[]): void {
    const holds = new Set<SectionHold>();
    for (const { hold } of sectionsOf(this)) if (hold.lock.validForMs() > 0) holds.add(hold);
    const held = [...holds].flatMap((hold) => hold.targets);
    for (const { kind, key, label, permits, weight } of targets) {
      const taken = held.reduce((sum, one) => (one.key === key ? sum + one.weight : sum), 0);
      if (taken > 0 && taken + weight > permits) throw new LockNestedError(label, targets.length > 1, kind);
    }
  }

  async #acquireWithin(request: LockRequest): Promise<HeldLock> {
    this.assertNotHeldHere(request.targets);
    return runOutside(() => this.source.acquire(request));
  }

  #sectionAround(targets: readonly LockTarget[]): SectionFrame | undefined {
    const sections = [...sectionsOf(this)];
    const holding = targets.map((target) => sections.find((section) => section.holds(target)));
    const [first] = holding;
    if (first && holding.every((section) => section?.hold === first.hold)) return first;
    // What was lost is not asked for again as if nothing had happened.
    for (const section of holding) section?.hold.lock.assertHeld();
    this.assertNotHeldHere(targets);
    return undefined;
  }

  async #runOnNewLock<T>(request: LockRequest, fn: (lock: Lock) => T | Promise<T>, end: SectionEnd): Promise<T> {
    const lock = await runOutside(() => this.source.acquire(request));
    let result: T;
    try {
      result = await this.#runOn({ lock, targets: request.targets }, fn);
    } catch (error) {
      const loss = await this.#release(lock, kindOf(request), end);
      if (loss && error !== loss) this.#logger.warn(`A section has failed, and had lost its lock. ${loss.message}`);
      throw error;
    }
    const loss = await this.#release(lock, kindOf(request), end);
    if (loss) throw loss;
    return result;
  }

  async #runOnLockOf<T>({ hold }: SectionFrame, fn: (lock: Lock) => T | Promise<T>): Promise<T> {
    hold.lock.assertHeld();
    const result = await this.#runOn(hold, fn);
    const loss = lossOf(hold.lock);
    if (loss) throw loss;
    return result;
  }

  async #runOn<T>(hold: SectionHold, fn: (lock: Lock) => T | Promise<T>): Promise<T> {
    const frame = new SectionFrame(this, hold, currentSection());
    try {
      return await runInside(frame, () => fn(hold.lock));
    } finally {
      await frame.end();
    }
  }

  /** Never rejects. @returns how the lock was lost, if it was */
  async #release(lock: HeldLock, kind: LockKind, { keepMs }: SectionEnd): Promise<LockLostError | undefined> {
    const loss = lossOf(lock);
    try {
      const outcome = await runOutside(() => lock.release(keepMs === undefined ? {} : { keepMs }));
      return loss ?? lossBy(outcome, lock, kind);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#logger.warn(`A section is over, but its lock ends only with its validity. ${reason}`);
      return loss;
    }
  }
}

function labelOf({ targets }: LockRequest): string {
  return targets.map(({ label }) => label).join(', ');
}

/** Those of one request are of one kind. */
function kindOf({ targets: [target] }: LockRequest): LockKind {
  return target!.kind;
}
