import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { CodecError, RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';
import { cacheKeyText, type CacheKey } from './cache-key.js';
import { CacheValueError } from './cache.errors.js';
import {
  resolveEntryOptions,
  type CacheEntryOptions,
  type ResolvedCacheOptions,
  type ResolvedEntryOptions,
} from './cache.options.js';
import type { CacheDriver } from './drivers/cache-driver.js';
import { LoadChain } from './load-chain.js';
import { SingleFlight } from './single-flight.js';

/** What a loader is given. */
export interface LoadContext {
  /** The key that is loaded, as Redis knows it. */
  readonly key: string;
}

// A load that takes longer keeps its result to its callers: nothing is stored.
const LEASE_MS = 30_000;

const UNREADABLE = Symbol('unreadable');

/**
 * The cache. Values come back as they went in: equal, of the same types, and never the same object. `null`, `0`, `''` and
 * `false` are values like any other; `undefined` means that there is none.
 */
export class CacheService {
  readonly #flights = new SingleFlight<string | undefined>();
  readonly #chain = new LoadChain();
  /** With a count, the token of a lease; a UUID for each would cost more than the rest of a hit in process. */
  readonly #id = randomUUID();
  #loads = 0;
  readonly #logger = new Logger('Cache');
  readonly #reported = new Set<string>();

  constructor(
    private readonly driver: CacheDriver,
    private readonly options: ResolvedCacheOptions,
    private readonly prefix: string,
  ) {}

  /** The value, or undefined. */
  async get<T>(key: CacheKey): Promise<T | undefined> {
    const name = this.#name(key);
    const text = await this.#read(() => this.driver.get(name), this.options);
    return text === undefined ? undefined : this.#readable<T>(text);
  }

  /**
   * The value if this process itself holds it, without asking Redis. Only an embedded connection keeps values in the
   * process; with a server it is always undefined.
   */
  peek<T>(key: CacheKey): T | undefined {
    const text = this.driver.peek(this.#name(key));
    return text === undefined ? undefined : this.#readable<T>(text);
  }

  /**
   * The value, or else what `load` returns, which is then stored. Concurrent callers in this process share one load. What
   * a load returns is not stored if its key was set or deleted since the load began, nor if it is undefined.
   *
   * @throws what `load` throws. CacheValueError for a value that cannot be cached.
   */
  async getOrSet<T>(
    key: CacheKey,
    load: (context: LoadContext) => T | Promise<T>,
    options?: CacheEntryOptions,
  ): Promise<T> {
    const name = this.#name(key);
    const entry = resolveEntryOptions(options, this.options);
    // A loader that waited for its own load, by way of whatever other loads, would wait for ever.
    if (this.#flights.has(name) && this.#chain.closesAt(name)) return load({ key: name });
    const flight = (): Promise<string | undefined> =>
      this.#chain.waiting(
        name,
        this.#flights.run(name, () => this.#getOrLoad(name, load, entry)),
      );
    const text = await flight();
    if (text === undefined) return undefined as T;
    // Every caller decodes a copy of its own, whether it came first, joined, or hit.
    const value = this.#decode<T>(text);
    if (value !== UNREADABLE) return value;
    // Something that the codec did not write stands under the key: it goes, and the loader has its turn.
    await this.#read(() => this.driver.delete([name]), entry);
    const loaded = await flight();
    return loaded === undefined ? (undefined as T) : (this.options.codec.decode(loaded) as T);
  }

  /**
   * Stores the value.
   *
   * @throws CacheValueError for undefined and for what the codec cannot carry. RedisUnreachableError, RedisTimeoutError.
   */
  async set(key: CacheKey, value: unknown, options?: CacheEntryOptions): Promise<void> {
    const name = this.#name(key);
    const { ttlMs } = resolveEntryOptions(options, this.options);
    if (value === undefined) {
      throw new CacheValueError(
        `undefined cannot be cached under "${name}". Cache null for "there is none", or delete the key.`,
      );
    }
    const text = this.#encode(name, value);
    this.#flights.forget(name);
    await this.driver.set(name, text, ttlMs);
    this.#flights.forget(name);
  }

  /** Whether there is a value. */
  async has(key: CacheKey): Promise<boolean> {
    const name = this.#name(key);
    return (await this.#read(() => this.driver.has(name), this.options)) ?? false;
  }

  /**
   * Removes the values. A load that began before is not stored, and nobody who asks from now on gets its result. Returns
   * how many of the keys held a value or were being loaded.
   *
   * @throws RedisUnreachableError, RedisTimeoutError: the values may still be there.
   */
  async delete(...keys: CacheKey[]): Promise<number> {
    const names = keys.map((key) => this.#name(key));
    if (names.length === 0) return 0;
    for (const name of names) this.#flights.forget(name);
    try {
      return await this.driver.delete(names);
    } finally {
      // Loads that began while the deletion was on its way may have read what it removed.
      for (const name of names) this.#flights.forget(name);
    }
  }

  async #getOrLoad<T>(
    name: string,
    load: (context: LoadContext) => T | Promise<T>,
    entry: ResolvedEntryOptions,
  ): Promise<string | undefined> {
    const token = `${this.#id}:${++this.#loads}`;
    const read = await this.#read(() => this.driver.getOrLease(name, token, LEASE_MS), entry);
    if (read?.state === 'hit') return read.value;
    const leased = read?.state === 'leased';
    // A loader that never returns must not take its key with it: who comes later loads again.
    const stuck = setTimeout(() => this.#flights.forget(name), LEASE_MS).unref();
    try {
      const value = await this.#chain.run(name, async () => load({ key: name }));
      const text = value === undefined ? undefined : this.#encode(name, value);
      if (leased) await this.#settleLease(name, token, text, entry.ttlMs);
      return text;
    } catch (error) {
      if (leased) await this.#settleLease(name, token, undefined, entry.ttlMs);
      throw error;
    } finally {
      clearTimeout(stuck);
    }
  }

  /** The result is there already: a Redis that has gone away meanwhile must not take it from the caller. */
  async #settleLease(name: string, token: string, text: string | undefined, ttlMs: number): Promise<void> {
    try {
      if (text === undefined) await this.driver.abandon(name, token);
      else await this.driver.fill(name, token, text, ttlMs);
    } catch (error) {
      if (!this.#isTroubleOfRedis(error)) throw error;
    }
  }

  async #read<R>(read: () => Promise<R>, { onOutage }: ResolvedEntryOptions): Promise<R | undefined> {
    try {
      return await read();
    } catch (error) {
      if (onOutage === 'load' && this.#isTroubleOfRedis(error)) return undefined;
      throw error;
    }
  }

  /** An error reply (a full server, missing permissions) is trouble that lasts, so each kind is reported once. */
  #isTroubleOfRedis(error: unknown): boolean {
    if (error instanceof RedisUnreachableError || error instanceof RedisTimeoutError) return true;
    if (!(error instanceof Error) || error.name !== 'ReplyError') return false;
    const kind = error.message.split(' ', 1)[0]!;
    if (!this.#reported.has(kind))
      this.#logger.warn(`Redis refuses what the cache asks for, so it caches less or nothing: ${error.message}`);
    this.#reported.add(kind);
    return true;
  }

  #name(key: CacheKey): string {
    return this.prefix + cacheKeyText(key);
  }

  #encode(name: string, value: unknown): string {
    try {
      return this.options.codec.encode(value);
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      throw new CacheValueError(`The value for "${name}" cannot be cached. ${error.message}`, { cause: error });
    }
  }

  #readable<T>(text: string): T | undefined {
    const value = this.#decode<T>(text);
    return value === UNREADABLE ? undefined : value;
  }

  #decode<T>(text: string): T | typeof UNREADABLE {
    try {
      return this.options.codec.decode(text) as T;
    } catch (error) {
      if (error instanceof CodecError) return UNREADABLE;
      throw error;
    }
  }
}
