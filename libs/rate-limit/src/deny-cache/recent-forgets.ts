const MOST_KEYS = 1_000;

/**
 * When something was last forgotten. A denial that was decided before that may arrive after it, as replies and news come on
 * different lines: whoever asked before the news came must not keep what it is told. So no clock of a server is needed.
 */
export class RecentForgets {
  readonly #byKey = new Map<string, number>();
  #allAtMs = Number.NEGATIVE_INFINITY;

  /** @param key undefined: all of them */
  add(key: string | undefined, nowMs: number): void {
    if (key !== undefined && this.#byKey.size < MOST_KEYS) {
      this.#byKey.set(key, nowMs);
      return;
    }
    // When it is full, whoever is asking now has to ask once more.
    this.#byKey.clear();
    this.#allAtMs = nowMs;
  }

  /** Whether any of that may have been forgotten at that time or later. */
  since(askedAtMs: number, keys: readonly string[]): boolean {
    if (this.#allAtMs >= askedAtMs) return true;
    return keys.some((key) => (this.#byKey.get(key) ?? Number.NEGATIVE_INFINITY) >= askedAtMs);
  }
}
