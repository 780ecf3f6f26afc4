import type { Counted } from './space-saving.js';
import { byMost, KEPT, WINDOW_MS, type TopStore } from './top-store.js';

interface Window {
  readonly number: number;
  counted: Map<string, Counted>;
}

/** What this process has counted. */
export class MemoryTopStore implements TopStore {
  readonly #windows = new Map<string, readonly Window[]>();

  /** @param clock the time in milliseconds */
  constructor(private readonly clock: () => number = () => performance.now()) {}

  async add(policy: string, counted: readonly Counted[]): Promise<void> {
    const windows = this.#of(policy);
    const number = this.#number();
    let current = windows.find((window) => window.number === number);
    if (!current) {
      current = { number, counted: new Map() };
      this.#windows.set(policy, [...windows, current]);
    }
    for (const { subject, taken, denied } of counted) {
      const known = current.counted.get(subject);
      current.counted.set(subject, {
        subject,
        taken: taken + (known?.taken ?? 0),
        denied: denied + (known?.denied ?? 0),
      });
    }
    if (current.counted.size > KEPT) current.counted = mostOf(current.counted);
  }

  async read(policy: string): Promise<readonly Counted[]> {
    return this.#of(policy).flatMap(({ counted }) => [...counted.values()]);
  }

  /** The current one, and the one before. */
  #of(policy: string): readonly Window[] {
    return (this.#windows.get(policy) ?? []).filter(({ number }) => number >= this.#number() - 1);
  }

  #number(): number {
    return Math.floor(this.clock() / WINDOW_MS);
  }
}

function mostOf(counted: ReadonlyMap<string, Counted>): Map<string, Counted> {
  const most = [...counted.values()].sort(byMost).slice(0, KEPT);
  return new Map(most.map((one) => [one.subject, one]));
}
