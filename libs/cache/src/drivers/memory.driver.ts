import type { CacheDriver, CacheRead } from './cache-driver.js';

type Slot = { readonly expiresAt: number } & ({ readonly value: string } | { readonly lease: string });

// Enough for development, and a bound for the rest: the oldest entry leaves first.
const MAX_ENTRIES = 10_000;

/** Entries in the memory of this process. */
export class MemoryCacheDriver implements CacheDriver {
  readonly #slots = new Map<string, Slot>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  async get(key: string): Promise<string | undefined> {
    return this.peek(key);
  }

  async getOrLease(key: string, token: string, leaseMs: number): Promise<CacheRead> {
    const slot = this.#live(key);
    if (slot) return 'value' in slot ? { state: 'hit', value: slot.value } : { state: 'busy' };
    this.#put(key, { lease: token, expiresAt: this.now() + leaseMs });
    return { state: 'leased' };
  }

  async fill(key: string, token: string, value: string, ttlMs: number): Promise<boolean> {
    if (!this.#holds(key, token)) return false;
    this.#put(key, { value, expiresAt: this.now() + ttlMs });
    return true;
  }

  async abandon(key: string, token: string): Promise<void> {
    if (this.#holds(key, token)) this.#slots.delete(key);
  }

  async set(key: string, value: string, ttlMs: number): Promise<void> {
    this.#put(key, { value, expiresAt: this.now() + ttlMs });
  }

  async has(key: string): Promise<boolean> {
    return this.peek(key) !== undefined;
  }

  async delete(keys: readonly string[]): Promise<number> {
    return [...new Set(keys)].filter((key) => this.#live(key) && this.#slots.delete(key)).length;
  }

  peek(key: string): string | undefined {
    const slot = this.#live(key);
    return slot && 'value' in slot ? slot.value : undefined;
  }

  #holds(key: string, token: string): boolean {
    const slot = this.#live(key);
    return slot !== undefined && 'lease' in slot && slot.lease === token;
  }

  #live(key: string): Slot | undefined {
    const slot = this.#slots.get(key);
    if (!slot || slot.expiresAt > this.now()) return slot;
    this.#slots.delete(key);
    return undefined;
  }

  #put(key: string, slot: Slot): void {
    // A key that is written again is young again.
    this.#slots.delete(key);
    this.#slots.set(key, slot);
    if (this.#slots.size > MAX_ENTRIES) this.#slots.delete(this.#slots.keys().next().value!);
  }
}
