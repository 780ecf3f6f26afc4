const FIRST_MS = 250;
const LONGEST_MS = 10_000;
const MAX_KEYS = 1_000;

/**
 * Spares a source that keeps failing: after the second failure in a row, the earlier value is served without asking, for
 * a time that doubles with each failure.
 */
export class Backoff {
  readonly #failures = new Map<string, { readonly count: number; readonly until: number }>();

  failed(name: string): void {
    const count = (this.#failures.get(name)?.count ?? 0) + 1;
    const pauseMs = count < 2 ? 0 : Math.min(LONGEST_MS, FIRST_MS * 2 ** (count - 2));
    this.#failures.delete(name);
    this.#failures.set(name, { count, until: performance.now() + pauseMs });
    if (this.#failures.size > MAX_KEYS) this.#failures.delete(this.#failures.keys().next().value!);
  }

  succeeded(name: string): void {
    if (this.#failures.size > 0) this.#failures.delete(name);
  }

  pauses(name: string): boolean {
    const failure = this.#failures.get(name);
    return failure !== undefined && performance.now() < failure.until;
  }
}
