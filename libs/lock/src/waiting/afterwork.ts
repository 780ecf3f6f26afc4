const RETRY_MS = 500;

/** What is still to be told to the store after its caller has gone: tried until it succeeds, or does not matter any more. */
export class Afterwork {
  readonly #waits = new Set<() => void>();
  readonly #running = new Set<Promise<void>>();
  #closed = false;

  /**
   * @param forMs after which the store has forgotten by itself
   * @param giveUpAt until when what is undone by this may still happen: it is told again then. @default it has happened, or never will
   */
  run(tell: () => Promise<unknown>, forMs: number, giveUpAt = 0): void {
    const running = this.#run(tell, performance.now() + forMs, giveUpAt).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Lets each try once more at most. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const wake of this.#waits) wake();
    await Promise.all(this.#running);
  }

  async #run(tell: () => Promise<unknown>, until: number, giveUpAt: number): Promise<void> {
    for (;;) {
      let sleepMs = RETRY_MS;
      const startedAt = performance.now();
      try {
        await tell();
        if (this.#closed || startedAt >= giveUpAt) return;
        sleepMs = giveUpAt - startedAt + 1;
      } catch {
        if (this.#closed || performance.now() >= until) return;
      }
      await this.#sleep(sleepMs);
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waits.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms).unref();
      this.#waits.add(wake);
    });
  }
}
