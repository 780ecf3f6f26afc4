import { EmbeddedConnectionError } from '@nuthatch/redis';
import { FENCE_OUTLIVES_MS, type Fenced, type FencedValues } from './fenced-values.js';

interface Entry {
  token: bigint;
  value: { readonly text: string; readonly endsAt: number } | undefined;
  /** When nothing of it is needed any more. */
  endsAt: number;
}

// Each call looks at so many others, so what is over goes about as fast as new ones come.
const SWEEP_AT_ONCE = 2;

/** Values in the memory of this process. */
export class MemoryFencedValues implements FencedValues {
  readonly #entries = new Map<string, Entry>();
  #sweep = this.#entries.entries();

  /**
   * @param connection named in the error of what only a server can do
   * @param clock the time in milliseconds
   */
  constructor(
    private readonly connection: string,
    private readonly clock: () => number = Date.now,
  ) {}

  /** How many keys are known. */
  get size(): number {
    return this.#entries.size;
  }

  async set(key: string, token: bigint, text: string, ttlMs: number): Promise<Fenced<undefined>> {
    return this.#fenced(key, token, (entry) => {
      const endsAt = this.clock() + ttlMs;
      entry.value = { text, endsAt };
      entry.endsAt = endsAt + FENCE_OUTLIVES_MS;
      return undefined;
    });
  }

  async get(key: string, token?: bigint): Promise<Fenced<string | undefined>> {
    if (token !== undefined) return this.#fenced(key, token, (entry) => this.#textOf(entry));
    const entry = this.#entries.get(key);
    return { accepted: true, result: entry && this.#textOf(entry) };
  }

  async delete(key: string, token: bigint): Promise<Fenced<boolean>> {
    return this.#fenced(key, token, (entry) => {
      const had = this.#textOf(entry) !== undefined;
      entry.value = undefined;
      return had;
    });
  }

  async run(): Promise<never> {
    throw new EmbeddedConnectionError(this.connection, 'Lua scripts');
  }

  #fenced<T>(key: string, token: bigint, write: (entry: Entry) => T): Fenced<T> {
    this.#sweepSome();
    const known = this.#entries.get(key);
    const keptUntil = this.clock() + FENCE_OUTLIVES_MS;
    const entry = known && known.endsAt > this.clock() ? known : { token: 0n, value: undefined, endsAt: keptUntil };
    if (entry.token > token) return { accepted: false, highest: entry.token };
    entry.token = token;
    entry.endsAt = Math.max(entry.endsAt, keptUntil);
    this.#entries.set(key, entry);
    return { accepted: true, result: write(entry) };
  }

  #textOf({ value }: Entry): string | undefined {
    return value && value.endsAt > this.clock() ? value.text : undefined;
  }

  #sweepSome(): void {
    for (let count = 0; count < SWEEP_AT_ONCE; count++) {
      const next = this.#sweep.next();
      if (next.done) {
        this.#sweep = this.#entries.entries();
        return;
      }
      const [key, entry] = next.value;
      if (entry.endsAt <= this.clock()) this.#entries.delete(key);
    }
  }
}
