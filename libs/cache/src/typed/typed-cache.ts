import type { CacheService } from '../cache.service.js';
import { cacheKeyText, type CacheKey } from '../keys/cache-key.js';
import type { LoadContext } from '../load/load-context.js';
import { settleAll } from '../load/settle-all.js';
import type { CacheStats } from '../stats/cache-stats.js';
import type { CacheDefinition } from './cache-definition.js';
import type { DefinitionLoader } from './definition-loader.js';
import type { TurnReads } from './turn-reads.js';

/** The TypedCache of a definition: `@InjectCache(usersCache) users: CacheOf<typeof usersCache>`. */
export type CacheOf<Definition> =
  Definition extends CacheDefinition<infer Args, infer T, infer Input, infer Found>
    ? TypedCache<Args, T, Input, Found>
    : never;

/**
 * A cache as its definition says, in one application. Entries are named by the arguments from which the definition makes
 * their keys. In all else it is like CacheService.
 */
export class TypedCache<Args extends readonly unknown[], T, Input = T, Found = T | undefined> {
  readonly #definition: CacheDefinition<Args, T, Input, Found>;
  readonly #cache: CacheService;
  readonly #loader: DefinitionLoader;
  readonly #reads: TurnReads;

  /** @internal */
  constructor(
    definition: CacheDefinition<Args, T, Input, Found>,
    cache: CacheService,
    loader: DefinitionLoader,
    reads: TurnReads,
  ) {
    this.#definition = definition;
    this.#cache = cache;
    this.#loader = loader;
    this.#reads = reads;
  }

  get name(): string {
    return this.#definition.name;
  }

  /**
   * The value, or else what the loader of the definition returns, which is then stored; undefined without a loader, and
   * when it skips.
   *
   * @throws what the loader throws, unless there is an earlier value within its grace. CacheLoadTimeoutError.
   *   CacheValueError for a value that cannot be cached, or that the schema does not take.
   */
  get(...args: Args): Promise<Found> {
    // Not an async function: a hit in process would have to wait for one more promise.
    try {
      return this.#get(args);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * What `get` gives for each of the lists of arguments, in their order: `users.getMany([[1], [2]])`. What is cached is
   * read by one command.
   *
   * @throws as `get` does, once nothing is under way any more
   */
  async getMany(calls: readonly Args[]): Promise<Found[]> {
    if (this.#loader.loads) return settleAll(calls.map(async (args) => this.#read(args)));
    const keys = calls.map((args) => this.#key(args));
    const found = await this.#cache.getMany<Found>(keys);
    return keys.map((key) => found.get(key) as Found);
  }

  /**
   * The value, or else what `load` returns, which is then stored.
   *
   * @throws as `get` does
   */
  async getOrSet<Loaded extends Input | undefined>(
    ...call: [...args: Args, load: (context: LoadContext<T>) => Loaded | PromiseLike<Loaded>]
  ): Promise<undefined extends Loaded ? T | undefined : T> {
    const args = call.slice(0, -1) as unknown as Args;
    const load = call.at(-1) as (context: LoadContext) => unknown;
    const value = await this.#cache.getOrSet(this.#key(args), (context) => this.#loader.loadBy(load, args, context));
    return value as undefined extends Loaded ? T | undefined : T;
  }

  /** The value if this process itself holds it and knows it to be current, without asking Redis and without loading. */
  peek(...args: Args): T | undefined {
    return this.#cache.peek<T & {}>(this.#key(args));
  }

  /**
   * Stores the value, which comes after the arguments: `users.set(42, user)`.
   *
   * @throws CacheValueError for a value that cannot be cached, or that the schema does not take; then nothing has changed.
   */
  async set(...call: [...args: Args, value: Input]): Promise<void> {
    const args = call.slice(0, -1) as unknown as Args;
    const value: unknown = call.at(-1);
    const key = this.#key(args);
    if (value === undefined) return this.#cache.set(key, value);
    await this.#loader.check(`${this.name}:${cacheKeyText(key)}`, value);
    const tags = this.#loader.tagsFor(value, args);
    await this.#cache.set(key, value, tags.length > 0 ? { tags } : undefined);
  }

  /** Removes the value. Resolves to whether there was one, or it was being loaded. See `CacheService.delete`. */
  async delete(...args: Args): Promise<boolean> {
    return (await this.#cache.delete(this.#key(args))) > 0;
  }

  /** Ends the life of the value, which may still serve in place of an error for its grace. In all else like `delete`. */
  async expire(...args: Args): Promise<boolean> {
    return (await this.#cache.expire(this.#key(args))) > 0;
  }

  /**
   * Loads the value anew by the loader of the definition, whatever there is, and stores it. Meanwhile readers get what
   * there is.
   *
   * @throws as `get` does. CacheOptionsError where the definition has no loader.
   */
  async refresh(...args: Args): Promise<Found> {
    return this.#cache.refresh(this.#key(args), (context) => this.#loader.load(args, context) as Promise<Found>);
  }

  /** What this cache has done since the application started. */
  stats(): CacheStats {
    return this.#cache.stats();
  }

  #get(args: Args): Promise<Found> {
    const loader = this.#loader;
    if (loader.batches) return this.#read(args);
    const key = this.#key(args);
    if (!loader.loads) return this.#cache.get(key) as Promise<Found>;
    return this.#cache.getOrSet(key, (context) => loader.load(args, context) as Promise<Found>);
  }

  /** Together with what else is asked for in this turn of the event loop. */
  #read(args: Args): Promise<Found> {
    return this.#reads.get(this.#key(args), (context, turn) =>
      this.#loader.load(args, context, turn),
    ) as Promise<Found>;
  }

  #key(args: Args): CacheKey {
    return this.#definition.key(...args);
  }
}
