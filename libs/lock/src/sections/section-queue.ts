import type { LockRequest, LockTarget } from '../lock-request.js';
import { LockAbortedError, LockBusyError } from '../lock.errors.js';

// A timer that is set to more fires at once.
const LONGEST_TIMER_MS = 2_147_483_647;

type NamedLock = Pick<LockTarget, 'label' | 'kind'>;

/** Lets callers of one process in, one at a time, in the order of their arrival. */
export class SectionQueue {
  #taken = false;
  /** Who waits, by what lets it in. */
  readonly #waiting = new Set<() => void>();
  #tellEmpty: (() => void) | undefined;

  /** Whether somebody is in; nobody waits otherwise. */
  get taken(): boolean {
    return this.#taken;
  }

  /**
   * Resolves when it is the turn of the caller, who then has to `leave`.
   *
   * @param lock for errors
   * @throws LockBusyError after `waitMs`, LockAbortedError
   */
  async enter(lock: NamedLock, { waitMs, signal }: Pick<LockRequest, 'waitMs' | 'signal'>): Promise<void> {
    if (signal?.aborted) throw new LockAbortedError(lock.label, { cause: signal.reason }, lock.kind);
    if (this.#taken) await this.#wait(lock, waitMs, signal);
    else this.#taken = true;
  }

  leave(): void {
    const [letIn] = this.#waiting;
    if (letIn) {
      letIn();
    } else {
      this.#taken = false;
      this.#tellEmpty?.();
    }
  }

  /** Resolves when nobody is in. Others may have come until the caller goes on, so look at `taken` again. For one caller. */
  async empty(): Promise<void> {
    if (this.#taken) await new Promise<void>((resolve) => (this.#tellEmpty = resolve));
  }

  #wait({ label, kind }: NamedLock, waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        this.#waiting.delete(letIn);
      };
      const letIn = (): void => {
        stop();
        resolve();
      };
      const abort = (): void => {
        stop();
        reject(new LockAbortedError(label, { cause: signal?.reason }, kind));
      };
      const giveUp = (): void => {
        const position = waitMs > 0 ? [...this.#waiting].indexOf(letIn) + 1 : 0;
        stop();
        reject(new LockBusyError(label, { waitedMs: waitMs, position, heldHere: true }, kind));
      };
      const timer = waitMs > 0 ? setTimeout(giveUp, Math.min(waitMs, LONGEST_TIMER_MS)) : undefined;
      if (waitMs === 0) return giveUp();
      this.#waiting.add(letIn);
      signal?.addEventListener('abort', abort);
    });
  }
}
