import type { HeldLock } from '../held-lock.js';
import type { LockTarget } from '../lock-request.js';
import { LockReleasedError } from '../lock.errors.js';
import { SectionQueue } from './section-queue.js';

/** A lock that a section holds, with what was asked for to have it. */
export interface SectionHold {
  readonly lock: HeldLock;
  readonly targets: readonly LockTarget[];
}

/**
 * A section that runs. Sections within a section on the same lock share its hold. Of those that it starts itself only one runs
 * at a time, as they exclude each other; what each of them starts in turn is in a frame of its own.
 */
export class SectionFrame {
  /** Where the sections wait that this one starts on the same lock. */
  readonly queue = new SectionQueue();
  #ended = false;
  #around: SectionFrame | undefined;

  constructor(
    /** Whose it is. */
    readonly owner: object,
    readonly hold: SectionHold,
    around: SectionFrame | undefined,
  ) {
    this.#around = around;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The section around this one that has not ended. */
  get around(): SectionFrame | undefined {
    // Those that have ended are let go, or a chain of sections that each outlive the one before would be kept as a whole.
    while (this.#around?.ended) this.#around = this.#around.#around;
    return this.#around;
  }

  /** Whether what is asked for is held: the same lock, and as many of its permits. */
  holds({ key, weight }: LockTarget): boolean {
    return !this.released && this.hold.targets.some((held) => held.key === key && held.weight >= weight);
  }

  /** Whether the section has given its lock back before its end. */
  get released(): boolean {
    const { signal } = this.hold.lock;
    return signal.aborted && signal.reason instanceof LockReleasedError;
  }

  /** Resolves when all sections within have ended too, also those that nobody has awaited. */
  async end(): Promise<void> {
    while (this.queue.taken) await this.queue.empty();
    this.#ended = true;
  }
}
