import { MOST_OVERRIDES, type OverrideStore } from './override-store.js';

/** Overrides of this process only. */
export class MemoryOverrideStore implements OverrideStore {
  readonly #all = new Map<string, string>();

  /** @param clock the time in milliseconds since 1970 */
  constructor(private readonly clock: () => number = Date.now) {}

  async read(): Promise<ReadonlyMap<string, string>> {
    return new Map(this.#all);
  }

  async set(field: string, json: string): Promise<boolean> {
    if (!this.#all.has(field) && field.includes(':') && this.#all.size >= MOST_OVERRIDES) return false;
    this.#all.set(field, `${json},"since":${this.clock()}}`);
    return true;
  }

  async delete(field: string): Promise<void> {
    this.#all.delete(field);
  }
}
