import { groupBySlot, RedisScript, type ServerConnection } from '@nuthatch/redis/internal';
import type { CacheDriver, CacheRead } from './cache-driver.js';
import { HEADER_BYTES, isLease, leaseText, readValue, valueText } from './entry-text.js';

/** Entries as strings in Redis. */
export class RedisCacheDriver implements CacheDriver {
  readonly #getOrLease = RedisScript.load(new URL('./get-or-lease.lua', import.meta.url), { keys: 1 });
  readonly #fill = RedisScript.load(new URL('./fill.lua', import.meta.url), { keys: 1 });
  readonly #abandon = RedisScript.load(new URL('./abandon.lua', import.meta.url), { keys: 1 });

  constructor(private readonly connection: ServerConnection) {}

  async get(key: string): Promise<string | undefined> {
    return readValue((await textOrNothing(this.connection.call('get', [key]))) as string | null);
  }

  /** A hit is one GET, which costs Redis a fifth of a script; only a miss, before a load, pays for a second trip. */
  async getOrLease(key: string, token: string, leaseMs: number): Promise<CacheRead> {
    const value = await this.get(key);
    return value === undefined ? this.#lease(key, token, leaseMs) : { state: 'hit', value };
  }

  async fill(key: string, token: string, value: string, ttlMs: number): Promise<boolean> {
    return (await this.connection.run(this.#fill, [key], [leaseText(token), valueText(value), ttlMs])) === 1;
  }

  async abandon(key: string, token: string): Promise<void> {
    await this.connection.run(this.#abandon, [key], [leaseText(token)], { idempotent: true });
  }

  async set(key: string, value: string, ttlMs: number): Promise<void> {
    await this.connection.call('set', [key, valueText(value), 'PX', ttlMs]);
  }

  async has(key: string): Promise<boolean> {
    const header = await textOrNothing(this.connection.call('getrange', [key, 0, HEADER_BYTES - 1]));
    return readValue(header as string | null) !== undefined;
  }

  async delete(keys: readonly string[]): Promise<number> {
    const unique = [...new Set(keys)];
    const groups = this.connection.mode === 'cluster' ? groupBySlot(unique) : [unique];
    const counts = await Promise.all(groups.map((group) => this.connection.call('unlink', group)));
    return (counts as number[]).reduce((sum, count) => sum + count, 0);
  }

  /** Nothing is held in process. */
  peek(): undefined {
    return undefined;
  }

  async #lease(key: string, token: string, leaseMs: number): Promise<CacheRead> {
    const reply = this.connection.run(this.#getOrLease, [key], [leaseText(token), leaseMs]);
    const text = (await textOrNothing(reply, '')) as string | null;
    if (text === null) return { state: 'leased' };
    const value = readValue(text);
    if (value !== undefined) return { state: 'hit', value };
    if (isLease(text)) return { state: 'busy' };
    // Of another version, or written by somebody who does not know the format: not a value, so it makes room.
    await this.connection.call('unlink', [key]);
    return this.#lease(key, token, leaseMs);
  }
}

/** Something that is no string may stand under a key of ours: then there is no entry, which is no reason to fail. */
async function textOrNothing(reply: Promise<unknown>, nothing: '' | null = null): Promise<unknown> {
  try {
    return await reply;
  } catch (error) {
    if (error instanceof Error && /\bWRONGTYPE\b/.test(error.message)) return nothing;
    throw error;
  }
}
