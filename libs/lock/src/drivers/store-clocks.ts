const RESAMPLE_MS = 60_000;
// Two clocks drift apart by some hundredths of a per mille; in the time between samples by no more than this.
const DRIFT_MS = 5;

interface Sample {
  /** The time of the store may be later than that of this process by at least so many microseconds. */
  readonly aheadUs: number;
  readonly takenAt: number;
}

/**
 * Says moments of this process by the clocks of the servers, rather too early than too late: so that a script can refuse what comes
 * after its caller has given up. One clock for each server.
 */
export class StoreClocks {
  readonly #samples = new Map<string, Sample>();
  readonly #asking = new Map<string, Promise<void>>();

  /** @param ask the time of a server, in microseconds */
  constructor(private readonly ask: (key: string) => Promise<number>) {}

  /** Forgets what it knows: other servers may have taken over. */
  reset(): void {
    this.#samples.clear();
    this.#asking.clear();
  }

  /** The server has just said its time, in microseconds. */
  note(place: string, timeUs: number): void {
    const here = performance.now();
    this.#samples.set(place, { aheadUs: timeUs - here * 1_000, takenAt: here });
  }

  /**
   * The time of the server at a moment on the clock of `performance.now()`, in microseconds; a promise where it has to be asked first.
   *
   * @param key one that the server is responsible for
   */
  at(place: string, key: string, moment: number): number | Promise<number> {
    const sample = this.#samples.get(place);
    if (!sample) return this.#sample(place, key).then(() => this.at(place, key, moment));
    if (performance.now() - sample.takenAt > RESAMPLE_MS) this.#sample(place, key).catch(() => 'the old one stands');
    return said(sample, moment);
  }

  #sample(place: string, key: string): Promise<void> {
    const known = this.#asking.get(place);
    if (known) return known;
    // What was asked before a reset may have been answered by another server.
    const counts = (): boolean => this.#asking.get(place) === asking;
    const asking: Promise<void> = this.ask(key)
      .then((timeUs) => counts() && this.note(place, timeUs))
      .then(() => undefined)
      .finally(() => counts() && this.#asking.delete(place));
    this.#asking.set(place, asking);
    return asking;
  }
}

function said({ aheadUs }: Sample, moment: number): number {
  return Math.floor((moment - DRIFT_MS) * 1_000 + aheadUs);
}
