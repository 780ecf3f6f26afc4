import { CodecError } from '@nuthatch/redis';
import { cacheKeyText, type CacheKey } from './cache-key.js';
import { CacheLoader } from './cache-loader.js';
import { CacheValueError } from './cache.errors.js';
import {
  checkNamespace,
  resolveEntryOptions,
  type CacheEntryOptions,
  type ResolvedCacheOptions,
} from './cache.options.js';
import type { CacheDriver } from './drivers/cache-driver.js';
import { settleAll } from './settle-all.js';

/** What a loader is given. */
export interface LoadContext {
  /** The key that is loaded, as Redis knows it. */
  readonly key: string;
}

const UNREADABLE = Symbol('unreadable');

/**
 * The cache. Values come back as they went in: equal, of the same types, and never the same object. `null`, `0`, `''` and
 * `false` are values like any other; `undefined` means that there is none.
 */
export class CacheService {
  readonly #loader: CacheLoader;

  /** @param root begins the key of every entry; the name of the cache follows */
  constructor(
    private readonly driver: CacheDriver,
    private readonly options: ResolvedCacheOptions,
    private readonly root: string,
    loader?: CacheLoader,
  ) {
    this.#loader = loader ?? new CacheLoader(driver, (name, value) => this.#encode(name, value));
  }

  /** The value, or undefined. */
  async get<T>(key: CacheKey): Promise<T | undefined> {
    return this.#readable<T>(await this.#getText(this.#name(key)));
  }

  /** The values of those keys that have one. */
  async getMany<T, K extends CacheKey = CacheKey>(keys: readonly K[]): Promise<Map<K, T>> {
    const texts = await settleAll(keys.map((key) => this.#getText(this.#name(key))));
    const values = keys.map((key, index) => [key, this.#readable<T>(texts[index])] as const);
    return new Map(values.filter((entry): entry is readonly [K, T & {}] => entry[1] !== undefined));
  }

  /**
   * The value if this process itself holds it, without asking Redis. Only an embedded connection keeps values in the
   * process; with a server it is always undefined.
   */
  peek<T>(key: CacheKey): T | undefined {
    return this.#readable<T>(this.driver.peek(this.#name(key)));
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
    const read = (): Promise<string | undefined> => this.#loader.load(name, () => load({ key: name }), entry);
    const text = await read();
    if (text === undefined) return undefined as T;
    // Every caller decodes a copy of its own, whether it came first, joined, or hit.
    const value = this.#decode<T>(text);
    if (value !== UNREADABLE) return value;
    // Something that the codec did not write stands under the key: it goes, and the loader has its turn.
    await this.#loader.read(() => this.driver.delete([name]), entry);
    return this.#readable<T>(await read()) as T;
  }

  /**
   * The same for many keys: `loadMissing` is called once, with those that are neither cached nor being loaded by another
   * call. A key that it leaves out is not in the result.
   *
   * @throws what `loadMissing` throws. CacheValueError for a value that cannot be cached.
   */
  async getOrSetMany<K extends CacheKey, T>(
    keys: readonly K[],
    loadMissing: (missing: K[]) => Promise<ReadonlyMap<K, T>> | ReadonlyMap<K, T>,
    options?: CacheEntryOptions,
  ): Promise<Map<K, T>> {
    const entry = resolveEntryOptions(options, this.options);
    const byName = new Map(keys.map((key) => [this.#name(key), key]));
    const load = async (missing: string[]): Promise<Map<string, T>> => {
      const loaded = await loadMissing(missing.map((name) => byName.get(name)!));
      return new Map([...loaded].map(([key, value]) => [this.#name(key), value]));
    };
    const values = new Map<K, T>();
    const read = async (names: string[]): Promise<string[]> => {
      const texts = await this.#loader.loadMany(names, load, entry);
      return names.filter((name, index) => {
        const text = texts[index];
        if (text === undefined) return false;
        const value = this.#decode<T>(text);
        if (value === UNREADABLE) return true;
        values.set(byName.get(name)!, value);
        return false;
      });
    };
    const unreadable = await read([...byName.keys()]);
    if (unreadable.length > 0) {
      await this.#loader.read(() => this.driver.delete(unreadable), entry);
      await read(unreadable);
    }
    return values;
  }

  /**
   * Stores the value.
   *
   * @throws CacheValueError for undefined and for what the codec cannot carry. RedisUnreachableError, RedisTimeoutError.
   */
  async set(key: CacheKey, value: unknown, options?: CacheEntryOptions): Promise<void> {
    const { ttlMs } = resolveEntryOptions(options, this.options);
    const name = this.#name(key);
    await this.#store(name, this.#encode(name, value), ttlMs);
  }

  /**
   * Stores many values. All of them are checked before the first is stored; each is stored for itself, so that after an
   * error some may be stored and others not.
   *
   * @throws CacheValueError, RedisUnreachableError, RedisTimeoutError
   */
  async setMany(entries: Iterable<readonly [CacheKey, unknown]>, options?: CacheEntryOptions): Promise<void> {
    const { ttlMs } = resolveEntryOptions(options, this.options);
    const texts = [...entries].map(([key, value]) => {
      const name = this.#name(key);
      return [name, this.#encode(name, value)] as const;
    });
    await settleAll(texts.map(([name, text]) => this.#store(name, text, ttlMs)));
  }

  /** Whether there is a value. */
  async has(key: CacheKey): Promise<boolean> {
    const name = this.#name(key);
    return (await this.#loader.read(() => this.driver.has(name), this.options)) ?? false;
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
    this.#loader.forget(names);
    try {
      return await this.driver.delete(names);
    } finally {
      // Loads that began while the deletion was on its way may have read what it removed.
      this.#loader.forget(names);
    }
  }

  /**
   * A cache beside this one, whose keys are its own: `cache.namespace('users')`, and in it `namespace('archive')`, which is
   * `users.archive`. Options that are not given are those of this cache.
   *
   * @throws CacheOptionsError
   */
  namespace(name: string, options?: CacheEntryOptions): CacheService {
    const full = this.options.namespace === 'default' ? name : `${this.options.namespace}.${name}`;
    const own = { ...this.options, ...resolveEntryOptions(options, this.options), namespace: checkNamespace(full) };
    return new CacheService(this.driver, own, this.root, this.#loader);
  }

  async #store(name: string, text: string, ttlMs: number): Promise<void> {
    this.#loader.forget([name]);
    try {
      await this.driver.set(name, text, ttlMs);
    } finally {
      this.#loader.forget([name]);
    }
  }

  #getText(name: string): Promise<string | undefined> {
    return this.#loader.read(() => this.driver.get(name), this.options);
  }

  #name(key: CacheKey): string {
    return `${this.root}${this.options.namespace}:${cacheKeyText(key)}`;
  }

  #encode(name: string, value: unknown): string {
    if (value === undefined) {
      throw new CacheValueError(
        `undefined cannot be cached under "${name}". Cache null for "there is none", or delete the key.`,
      );
    }
    try {
      return this.options.codec.encode(value);
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      throw new CacheValueError(`The value for "${name}" cannot be cached. ${error.message}`, { cause: error });
    }
  }

  #readable<T>(text: string | undefined): T | undefined {
    const value = text === undefined ? UNREADABLE : this.#decode<T>(text);
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
