import { AsyncLocalStorage } from 'node:async_hooks';
import type { LoadChain } from './load-chain.js';

/**
 * Collects the keys that turn out to be missing, and loads them by one call as soon as all keys have been read. A key
 * that is found missing later, because whoever was loading it has given up, is loaded with others of its moment.
 */
export class LoadBatch {
  readonly #unread: Set<string>;
  #missing = new Set<string>();
  #loaded: Promise<ReadonlyMap<string, unknown>> | undefined;
  #begin!: () => void;
  /** The context of the first missing key's loader: it is the one that loads, and the other keys wait for it. */
  #asFirst = AsyncLocalStorage.snapshot();

  /** @param names the keys that are read; for each `noteRead` is to be called at least once */
  constructor(
    private readonly names: readonly string[],
    private readonly loadMissing: (missing: string[]) => Promise<ReadonlyMap<string, unknown>>,
    private readonly chain: Pick<LoadChain, 'waiting'>,
  ) {
    this.#unread = new Set(names);
    this.#open(new Promise((resolve) => (this.#begin = resolve)));
  }

  /** Adds a missing key, and resolves to its value once the batch is loaded. To be called by the loader of the key. */
  async valueFor(name: string): Promise<unknown> {
    if (!this.#loaded) this.#open(new Promise((resolve) => setImmediate(resolve)));
    const loaded = this.#loaded!;
    const [first] = this.#missing;
    if (first === undefined) this.#asFirst = AsyncLocalStorage.snapshot();
    this.#missing.add(name);
    return (await (first === undefined ? loaded : this.chain.waiting(first, loaded))).get(name);
  }

  noteRead(name: string): void {
    if (this.#unread.delete(name) && this.#unread.size === 0) this.#begin();
  }

  #open(begun: Promise<void>): void {
    this.#missing = new Set();
    this.#loaded = begun.then(() => {
      const missing = this.names.filter((name) => this.#missing.has(name));
      this.#loaded = undefined;
      return missing.length > 0 ? this.#asFirst(() => this.loadMissing(missing)) : new Map<string, unknown>();
    });
    // Each missing key rejects with it; where there is none, nobody looks.
    this.#loaded.catch(() => 'told to the callers of valueFor');
  }
}
