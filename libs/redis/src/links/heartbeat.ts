const EVERY_MS = 400;
const TRUST_MS = 1_500;

interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

/**
 * Decides whether a line of reports can be relied on: only while questions are answered on it, one after all reports that
 * came before it. Invariant: while `alive`, whatever the other side has reported more than two seconds ago has arrived. A
 * process that stood still finds the line dead when it goes on, at the first turn of its timers, and asks anew.
 */
export class Heartbeat {
  readonly #timer: NodeJS.Timeout;
  #asking = false;
  #stopped = false;
  #alive = false;
  /** When the last question that was answered had been asked. */
  #provenAt: Moment | undefined;

  /**
   * @param ask resolves with the answer; a question that is not answered need not settle for a while
   * @param changed called when `alive` has changed
   */
  constructor(
    private readonly ask: () => Promise<unknown>,
    private readonly changed: () => void,
  ) {
    this.#timer = setInterval(() => {
      this.#judge();
      void this.beat();
    }, EVERY_MS).unref();
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Asks now instead of at the next beat, unless a question is under way. */
  async beat(): Promise<void> {
    if (this.#asking || this.#stopped) return;
    this.#asking = true;
    const askedAt = now();
    try {
      await this.ask();
      this.#provenAt = askedAt;
      this.#judge();
    } catch {
      // An unanswered question proves nothing; the next one may be answered.
    } finally {
      this.#asking = false;
    }
  }

  /** The line has gone: what was said on it counts no more. */
  lose(): void {
    this.#provenAt = undefined;
    this.#judge();
  }

  stop(): void {
    this.#stopped = true;
    this.#alive = false;
    clearInterval(this.#timer);
  }

  #judge(): void {
    const alive = this.#provenAt !== undefined && ageOf(this.#provenAt) <= TRUST_MS;
    if (this.#stopped || alive === this.#alive) return;
    this.#alive = alive;
    this.changed();
  }
}

function now(): Moment {
  return { monotonic: performance.now(), wall: Date.now() };
}

/** By the clock that has moved further: the monotonic one stands still while a machine sleeps. */
function ageOf(moment: Moment): number {
  return Math.max(performance.now() - moment.monotonic, Date.now() - moment.wall);
}
