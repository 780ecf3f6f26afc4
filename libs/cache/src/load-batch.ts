/** Collects the keys that turn out to be missing, and loads them by one call as soon as all keys have been read. */
export class LoadBatch {
  readonly #missing = new Set<string>();
  readonly #loaded: Promise<ReadonlyMap<string, unknown>>;
  #begin!: () => void;
  #unread: number;

  /** @param names the keys that are read; for each `noteRead` is to be called once */
  constructor(names: readonly string[], loadMissing: (missing: string[]) => Promise<ReadonlyMap<string, unknown>>) {
    this.#unread = names.length;
    const begun = new Promise<void>((resolve) => (this.#begin = resolve));
    this.#loaded = begun.then(() => {
      const missing = names.filter((name) => this.#missing.has(name));
      return missing.length > 0 ? loadMissing(missing) : new Map<string, unknown>();
    });
    // Each missing key rejects with it; where there is none, nobody looks.
    this.#loaded.catch(() => 'told to the callers of valueFor');
  }

  /** Adds a missing key, and resolves to its value once the batch is loaded. */
  async valueFor(name: string): Promise<unknown> {
    this.#missing.add(name);
    return (await this.#loaded).get(name);
  }

  noteRead(): void {
    this.#unread -= 1;
    if (this.#unread === 0) this.#begin();
  }
}
