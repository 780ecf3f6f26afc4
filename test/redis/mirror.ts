/**
 * The simplest cache in process that could be right, to see whether the reports of changes are enough to keep one right:
 * what it holds has not been reported as changed since it was read.
 */
export class Mirror {
  readonly #values = new Map<string, string | null>();
  readonly #changes = new Map<string, number>();
  #era = 0;
  trusted = false;
  /** How often it has taken a value in, and how often everything was dropped. */
  fills = 0;
  gaps = 0;

  constructor(private readonly read: (key: string) => Promise<unknown>) {}

  readonly changed = (keys: readonly string[] | null): void => {
    if (keys === null) this.#drop();
    else {
      for (const key of keys) {
        this.#values.delete(key);
        this.#changes.set(key, (this.#changes.get(key) ?? 0) + 1);
      }
    }
  };

  readonly armed = (): void => {
    this.trusted = true;
  };

  readonly gap = (): void => {
    this.trusted = false;
    this.gaps += 1;
    this.#drop();
  };

  peek(key: string): string | null | undefined {
    return this.trusted ? this.#values.get(key) : undefined;
  }

  held(): ReadonlyMap<string, string | null> {
    return this.trusted ? this.#values : new Map();
  }

  /** Reads the key and holds its value, unless something was reported meanwhile. */
  async fill(key: string): Promise<void> {
    if (!this.trusted) return;
    const era = this.#era;
    const changes = this.#changes.get(key);
    const value = (await this.read(key)) as string | null;
    if (!this.trusted || era !== this.#era || changes !== this.#changes.get(key)) return;
    this.#values.set(key, value);
    this.fills += 1;
  }

  #drop(): void {
    this.#era += 1;
    this.#values.clear();
  }
}
