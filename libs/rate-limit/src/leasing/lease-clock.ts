/** The time that leases go by: it never goes back, whatever is done to the clock of the machine. */
export interface LeaseClock {
  /** In microseconds. */
  now(): number;

  /** Runs something later, unless the function that is returned is called before. */
  wake(afterUs: number, run: () => void): () => void;
}

const US_PER_MS = 1_000;

/** That of this process, which it does not keep from ending. */
export const processClock: LeaseClock = {
  now: () => performance.now() * US_PER_MS,
  wake(afterUs, run) {
    const timer = setTimeout(run, Math.ceil(afterUs / US_PER_MS)).unref();
    return () => clearTimeout(timer);
  },
};
