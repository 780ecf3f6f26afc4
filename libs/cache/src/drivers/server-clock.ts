const RESAMPLE_MS = 60_000;
const RETRY_MS = 1_000;

/**
 * The clock of a Redis server, on the monotonic clock of this process: a process whose own clock is an hour off sees the
 * same time as the others. Asked anew once a minute, and after every reconnect.
 */
export class ServerClock {
  #offset: number | undefined;
  #sampledAt = Number.NEGATIVE_INFINITY;
  #sampling: Promise<void> | undefined;

  /** @param ask the time of the server, in milliseconds */
  constructor(private readonly ask: () => Promise<number>) {}

  /** Until the server has been asked once, the clock of this machine has to do. */
  now(): number {
    const here = performance.now();
    if (here - this.#sampledAt > (this.#offset === undefined ? RETRY_MS : RESAMPLE_MS)) {
      this.sample().catch(() => 'the old offset stands until the next try');
    }
    return Math.round(here + (this.#offset ?? performance.timeOrigin));
  }

  /** Resolves once the server has been asked; undefined when it has been. */
  ready(): Promise<void> | undefined {
    return this.#offset === undefined ? this.sample() : undefined;
  }

  sample(): Promise<void> {
    this.#sampling ??= this.#sample().finally(() => (this.#sampling = undefined));
    return this.#sampling;
  }

  async #sample(): Promise<void> {
    const sentAt = performance.now();
    this.#sampledAt = sentAt;
    const time = await this.ask();
    // The server looked at its clock at some time between: half the round trip is the most that this can be wrong.
    this.#offset = time - (sentAt + performance.now()) / 2;
  }
}
