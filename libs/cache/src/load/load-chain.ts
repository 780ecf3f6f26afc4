import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * Knows which loads wait for which, so that none waits for itself: a loader may ask for its own key, and two loaders for
 * each other's.
 */
export class LoadChain {
  readonly #current = new AsyncLocalStorage<string>();
  readonly #waitsFor = new Map<string, string[]>();
  #running = 0;

  /** Whether a loader calls. */
  get inside(): boolean {
    return this.#current.getStore() !== undefined;
  }

  /** Runs the loader of a key. */
  async run<T>(key: string, load: () => T | Promise<T>): Promise<T> {
    this.#running += 1;
    try {
      return await this.#current.run(key, async () => load());
    } finally {
      this.#running -= 1;
      // While it is enabled every promise of the process pays for it, which is more than a hit costs.
      if (this.#running === 0) this.#current.disable();
    }
  }

  /** Whether the loader that calls would wait for itself if it waited for the load of `key`. */
  closesAt(key: string): boolean {
    const current = this.#current.getStore();
    return current !== undefined && this.#reaches(key, current, new Set());
  }

  /** Notes that the loader that calls, if any, waits for the load of `key` until `result` settles. */
  waiting<T>(key: string, result: Promise<T>): Promise<T> {
    const current = this.#current.getStore();
    if (current === undefined) return result;
    const awaited = this.#waitsFor.get(current) ?? [];
    awaited.push(key);
    this.#waitsFor.set(current, awaited);
    return result.finally(() => {
      awaited.splice(awaited.indexOf(key), 1);
      if (awaited.length === 0 && this.#waitsFor.get(current) === awaited) this.#waitsFor.delete(current);
    });
  }

  #reaches(from: string, to: string, seen: Set<string>): boolean {
    if (from === to) return true;
    if (seen.has(from)) return false;
    seen.add(from);
    return (this.#waitsFor.get(from) ?? []).some((next) => this.#reaches(next, to, seen));
  }
}
