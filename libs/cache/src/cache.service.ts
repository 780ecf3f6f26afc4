import {
  checkNamespace,
  resolveEntryOptions,
  type CacheEntryOptions,
  type ResolvedEntryOptions,
} from './cache.options.js';
import { CacheCore } from './cache-core.js';
import { cacheKeyText, type CacheKey } from './keys/cache-key.js';
import { cacheGlob, type PatternOptions } from './keys/cache-pattern.js';
import { CacheWriter } from './shared/cache-writer.js';
import { LoadBatch } from './load/load-batch.js';
import type { LoadContext } from './load/load-context.js';
import type { LoadRequest } from './load/load-runner.js';
import { give } from './local/frozen.js';
import type { Slot } from './local/slot.js';
import { settleAll } from './load/settle-all.js';
import type { Scope } from './scope.js';
import type { CacheStats } from './stats/cache-stats.js';
import { checkTags } from './tags/tag.js';

/**
 * The cache. Values come back as they went in: equal, and of the same types. They are frozen, because callers share them;
 * what cannot be frozen (Map, Set, Date, Buffer) is a copy of the caller's own. `null`, `0`, `''` and `false` are values
 * like any other; `undefined` means that there is none.
 */
export class CacheService {
  readonly #core: CacheCore;
  readonly #scope: Scope;
  readonly #options: ResolvedEntryOptions;
  readonly #writer: CacheWriter;
  readonly #resolved = new WeakMap<CacheEntryOptions, ResolvedEntryOptions>();

  /** @internal Made by CacheModule, and by `namespace()`. */
  constructor(core: CacheCore, scope: Scope, options: ResolvedEntryOptions) {
    this.#core = core;
    this.#scope = scope;
    this.#options = options;
    this.#writer = new CacheWriter(core, scope);
  }

  /** The value, or undefined. */
  get<T>(key: CacheKey): Promise<T | undefined> {
    try {
      const slot = this.#slot(key);
      if (slot !== undefined && this.#core.local!.fresh(slot, performance.now())) {
        this.#scope.counters.localHit();
        if (slot.copies || this.#options.clone) return Promise.resolve(give(slot, this.#options.clone) as T);
        return slot.answer as Promise<T>;
      }
      return this.#core.reader.find(this.#scope, this.#name(key), this.#options) as Promise<T | undefined>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * The value if this process itself holds it and knows it to be current, without asking Redis.
   */
  peek<T>(key: CacheKey): T | undefined {
    const slot = this.#slot(key);
    if (slot === undefined || !this.#core.local!.freshAtOnce(slot, performance.now())) return undefined;
    this.#scope.counters.localHit();
    return give(slot, this.#options.clone) as T;
  }

  /** The values of those keys that have one, by one command. */
  async getMany<T, K extends CacheKey = CacheKey>(keys: readonly K[]): Promise<Map<K, T>> {
    const names = keys.map((key) => this.#name(key));
    this.#prefetch(keys, names);
    const values = await settleAll(keys.map((key) => this.get<T>(key)));
    const entries = keys.map((key, index) => [key, values[index]] as const);
    return new Map(entries.filter((entry): entry is readonly [K, T & {}] => entry[1] !== undefined));
  }

  /**
   * The value, or else what `load` returns, which is then stored. All processes share one load of a key; see `coalesce`.
   * What a load returns is not stored if its key was set, deleted or expired, or one of its tags invalidated, since the
   * load began; nor if it is undefined.
   *
   * @throws what `load` throws, unless there is an earlier value within its grace. CacheLoadTimeoutError. CacheValueError
   *   for a value that cannot be cached.
   */
  async getOrSet<T>(
    key: CacheKey,
    load: (context: LoadContext<T>) => T | Promise<T>,
    options?: CacheEntryOptions,
  ): Promise<T> {
    const slot = this.#slot(key);
    if (slot !== undefined) {
      const now = performance.now();
      if (this.#core.local!.fresh(slot, now)) {
        this.#scope.counters.localHit();
        if (options === undefined) {
          if (this.#options.refreshAhead === undefined) return give(slot, this.#options.clone) as T;
        }
        const entry = this.#entry(options);
        if (entry.refreshAhead !== undefined) {
          this.#core.loader.refreshSlot(this.#request(slot.name, load, entry), slot, now);
        }
        return give(slot, entry.clone) as T;
      }
    }
    const entry = this.#entry(options);
    return give(await this.#core.loader.load(this.#request(this.#name(key), load, entry)), entry.clone) as T;
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
    const entry = this.#entry(options);
    const byName = new Map(keys.map((key) => [this.#name(key), key]));
    const names = [...byName.keys()];
    const loadNamed = async (missing: string[]): Promise<Map<string, T>> => {
      const loaded = await loadMissing(missing.map((name) => byName.get(name)!));
      return new Map([...loaded].map(([key, value]) => [this.#name(key), value]));
    };
    const batch = new LoadBatch(names, loadNamed, this.#core.loader.chain);
    this.#prefetch([...byName.values()], names);
    const values = await settleAll(
      names.map(async (name) => {
        const slot = this.#slot(byName.get(name)!);
        const now = performance.now();
        if (slot && this.#core.local!.fresh(slot, now)) {
          batch.noteRead(name);
          this.#scope.counters.localHit();
          return give(slot, entry.clone);
        }
        try {
          const request = this.#request(name, () => batch.valueFor(name), entry);
          return give(await this.#core.loader.load(request, () => batch.noteRead(name)), entry.clone);
        } finally {
          batch.noteRead(name);
        }
      }),
    );
    const found = names.map((name, index) => [byName.get(name)!, values[index]] as const);
    return new Map(found.filter((pair): pair is readonly [K, T & {}] => pair[1] !== undefined));
  }

  /**
   * Stores the value. While Redis is away it is noted, and replaces what Redis then has if that is older.
   *
   * @throws CacheValueError for undefined and for what the codec cannot carry. RedisUnreachableError, RedisTimeoutError
   *   with `onOutage: 'throw'`.
   */
  set(key: CacheKey, value: unknown, options?: CacheEntryOptions): Promise<void> {
    try {
      return this.#writer.setOne(this.#name(key), value, this.#entry(options));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Stores many values. All of them are checked before the first is stored; each is stored for itself, so that after an
   * error some may be stored and others not.
   *
   * @throws as `set` does
   */
  async setMany(entries: Iterable<readonly [CacheKey, unknown]>, options?: CacheEntryOptions): Promise<void> {
    const named = [...entries].map(([key, value]) => [this.#name(key), value] as const);
    await this.#writer.set(named, this.#entry(options));
  }

  /**
   * Stores the value by `persist` first, and then in the cache; when `persist` fails, the cache is as it was. A load that
   * is under way is not stored. Where somebody else writes or removes the key meanwhile, the cache holds neither value.
   *
   * @throws what `persist` throws, and as `set` does
   */
  async writeThrough<T>(
    key: CacheKey,
    value: T,
    persist: (value: T) => unknown,
    options?: CacheEntryOptions,
  ): Promise<void> {
    await this.#writer.writeThrough(this.#name(key), value, () => persist(value), this.#entry(options));
  }

  /** Whether there is a value. */
  async has(key: CacheKey): Promise<boolean> {
    const slot = this.#slot(key);
    if (slot !== undefined && this.#core.local!.fresh(slot, performance.now())) return true;
    return this.#writer.has(this.#name(key), this.#options);
  }

  /**
   * Removes the values. A load that began before is not stored, and nobody who asks from now on gets its result. Returns
   * how many of the keys held a value or were being loaded. While Redis is away it is noted, and done before the cache
   * reads from Redis again; the number is 0 then.
   *
   * @throws RedisUnreachableError, RedisTimeoutError with `onOutage: 'throw'`; it is noted all the same.
   */
  async delete(...keys: CacheKey[]): Promise<number> {
    return this.#writer.remove(this.#names(keys), 'delete', this.#options);
  }

  /**
   * Ends the life of the values: they are loaded anew, but may serve in place of an error for their grace. In all else
   * like `delete`.
   */
  async expire(...keys: CacheKey[]): Promise<number> {
    return this.#writer.remove(this.#names(keys), 'expire', this.#options);
  }

  /**
   * Invalidates every entry with one of the tags, in all namespaces of this cache, however many there are, by one command.
   * In all else like `delete`.
   */
  async invalidateTags(...tags: string[]): Promise<void> {
    await this.#writer.invalidateTags([...new Set(checkTags(tags))], this.#options);
  }

  /**
   * Removes every key of this namespace that matches a glob of `*`, `?` and `[ab]`; see `keyPattern` for parts that users
   * have typed. Goes through all keys of the server, so it is for rare occasions; tags are for the others. Returns how many
   * it removed.
   *
   * @throws CacheKeyError for a glob that matches everything, unless `all` is set. The reason of `signal` when it aborts.
   */
  async invalidatePattern(glob: string, options: PatternOptions = {}): Promise<number> {
    return this.#writer.removeMatching(cacheGlob(this.#scope.prefix, glob, options.all), this.#options, options);
  }

  /** Removes every key of this namespace, and of the namespaces that were made within it by name. */
  async clear(): Promise<void> {
    const { prefix } = this.#scope;
    const nested = `${prefix.slice(0, -1)}.`;
    await this.#writer.removeMatching(cacheGlob(prefix, '*', true), this.#options, {});
    await this.#writer.removeMatching(cacheGlob(nested, '*', true), this.#options, {});
  }

  /**
   * A cache beside this one, whose keys are its own: `cache.namespace('users')`, and in it `namespace('archive')`, which is
   * `users.archive`. Options that are not given are those of this cache. Its counts are kept for good, so names should not
   * be made from what users type.
   *
   * @throws CacheOptionsError
   */
  namespace(name: string, options?: CacheEntryOptions): CacheService {
    return this.defined(name, options, '', undefined);
  }

  /** @internal The same for a defined cache: with a revision of its own, and values that have to be acceptable. */
  defined(
    name: string,
    options: CacheEntryOptions | undefined,
    revision: string,
    accept: ((value: unknown) => unknown) | undefined,
  ): CacheService {
    const { namespace } = this.#scope;
    const full = checkNamespace(namespace === 'default' ? name : `${namespace}.${checkNamespace(name)}`);
    const scope = this.#core.scope(full, revision, accept);
    return new CacheService(this.#core, scope, resolveEntryOptions(options, this.#options));
  }

  /**
   * Loads the value anew, whatever there is, and stores it. Meanwhile readers get what there is.
   *
   * @throws as `getOrSet` does
   */
  async refresh<T>(
    key: CacheKey,
    load: (context: LoadContext<T>) => T | Promise<T>,
    options?: CacheEntryOptions,
  ): Promise<T> {
    const entry = this.#entry(options);
    return give(await this.#core.loader.refresh(this.#request(this.#name(key), load, entry)), entry.clone) as T;
  }

  /** What this namespace has done since the application started. */
  stats(): CacheStats {
    const { local, journal, coherenceLagMs } = this.#core;
    const memory = { entries: local?.entries ?? 0, bytes: local?.bytes ?? 0, evictions: local?.evictions ?? 0 };
    const { counters, namespace } = this.#scope;
    return { namespace, ...counters.counts, memory, coherenceLagMs, journalled: journal.size };
  }

  /** The entry in process, by the key as it is written: most need no escaping, and the others are looked up by their text. */
  #slot(key: CacheKey): Slot | undefined {
    const { index } = this.#scope;
    if (typeof key === 'string') {
      const slot = index.get(key);
      if (slot?.plain) return slot;
    }
    return index.size === 0 ? undefined : index.get(cacheKeyText(key));
  }

  #prefetch(keys: readonly CacheKey[], names: readonly string[]): void {
    const now = performance.now();
    const missing = names.filter((_, index) => {
      const slot = this.#slot(keys[index]!);
      return slot === undefined || !this.#core.local!.fresh(slot, now);
    });
    this.#core.reader.readMany(this.#scope, [...new Set(missing)]);
  }

  #request<T>(name: string, load: (context: LoadContext<T>) => unknown, entry: ResolvedEntryOptions): LoadRequest {
    return { scope: this.#scope, name, load: load as (context: LoadContext) => unknown, entry };
  }

  #entry(options: CacheEntryOptions | undefined): ResolvedEntryOptions {
    if (options === undefined) return this.#options;
    const known = this.#resolved.get(options);
    if (known) return known;
    const resolved = resolveEntryOptions(options, this.#options);
    // One that cannot change need not be read again, as for every call of a decorated method.
    if (Object.isFrozen(options)) this.#resolved.set(options, resolved);
    return resolved;
  }

  #names(keys: readonly CacheKey[]): string[] {
    return [...new Set(keys.map((key) => this.#name(key)))];
  }

  #name(key: CacheKey): string {
    return this.#scope.prefix + cacheKeyText(key);
  }
}
