import type { CacheEntryOptions } from '../cache.options.js';
import type { CacheKey } from '../keys/cache-key.js';
import type { LoadContext } from '../load/load-context.js';
import type {
  AnyCacheDefinition,
  CacheDefinition,
  CacheInjections,
  Injected,
  LoadManyContext,
} from './cache-definition.js';
import { readDefinition } from './definition-reader.js';
import type { StandardSchema } from './standard-schema.js';

export interface CacheDefinitionOptions<Args extends readonly unknown[], Input> extends Omit<
  CacheEntryOptions,
  'tags'
> {
  /** Unique in the application: letters, digits, ".", "_" and "-". It is the namespace of the keys: `app:cache:<name>:<key>`. */
  name: string;
  /**
   * Makes the key of an entry from what `get` is called with, whose types are those of its parameters. None of these is
   * optional: loaders get their context after them.
   */
  key: ((...args: Args) => CacheKey) & AllRequired<Args>;
  /**
   * A whole number from 1 on, or a short text. Entries of another version are not read, and are loaded anew: change it
   * when what is cached has changed in a way that no schema would notice. While processes of both run, each replaces what
   * the other has stored. @default none
   */
  version?: number | string;
  /** The tags of an entry. */
  tags?: readonly string[] | ((...args: Args) => readonly string[]);
  /** Further tags that only the value can tell: `(order) => order.lines.map(({ product }) => `product:${product}`)`. */
  valueTags?: (value: NoInfer<Input>, ...args: Args) => readonly string[];
}

/** What holds where there is a loader in the definition. */
export interface CacheLoaderOptions<I extends CacheInjections> {
  /**
   * Providers that the loader needs, by the names that they get in its context: `inject: { repo: UserRepository }`. They
   * may stand in any module of the application, which starts only when all of them are there.
   */
  inject?: I;
  /** The most calls that `loadMany` gets at once; what is more goes to a second call beside it. @default 1000 */
  batchSize?: number;
}

export interface CacheSchemaOptions<Input, T> {
  /**
   * What values have to be, by any library that follows Standard Schema. It is asked at each read from Redis: an entry
   * that does not fit any more is loaded anew. What it returns is what callers get; return new objects there, as they are
   * frozen. What a loader returns and does not fit is a CacheValueError.
   */
  schema: StandardSchema<Input, T>;
}

type AllRequired<Args extends readonly unknown[]> =
  Args extends Required<Args> ? unknown : 'A parameter of key is optional. Let callers give undefined or the default.';

/**
 * Where there is no schema, the type of the values is that of what the loader returns, which its context cannot know
 * beforehand. So `notModified()` has no type of its own here.
 */
export interface OpenLoadContext extends Omit<LoadContext, 'notModified'> {
  notModified(): never;
}

type Load<Args extends readonly unknown[], Context, Result> = (...call: [...args: Args, context: Context]) => Result;

type LoadMany<Args extends readonly unknown[], Context, Loaded> = (
  calls: readonly Args[],
  context: Context,
) => readonly (Loaded | undefined)[] | PromiseLike<readonly (Loaded | undefined)[]>;

/** The type that was named or that `loadMany` gives, or else that of what `load` returns. */
type ValueOf<T, Result> = [T] extends [never] ? Exclude<Awaited<Result>, undefined> : T;

type FoundOf<T, Result> = undefined extends Awaited<Result> ? T | undefined : T;

/**
 * Defines a cache; `CacheModule.forFeature([usersCache])` makes it available and `@InjectCache(usersCache)` injects it.
 *
 * ```ts
 * const usersCache = defineCache({
 *   name: 'users',
 *   key: (id: number) => [id],
 *   ttl: '1h',
 *   schema: z.object({ id: z.number(), name: z.string() }),
 *   inject: { repo: UserRepository },
 *   load: (id, { repo }) => repo.find(id),
 * });
 * ```
 *
 * - `load` gets the arguments and a LoadContext.
 * - `loadMany` gets the arguments of all `get`s of one turn of the event loop that miss, as a list of lists, and a
 *   LoadManyContext. It returns as many values in the same order, with undefined for those that there are not.
 * - Without either of them `get` only reads, and `getOrSet` takes a loader. `defineCache<[id: number], Cart>({ ... })`
 *   gives the types then, unless a schema does.
 *
 * @throws CacheOptionsError that lists every mistake at once.
 */
export function defineCache<
  Args extends readonly unknown[],
  Input,
  T,
  I extends CacheInjections = {},
  Loaded extends NoInfer<Input> | undefined = undefined,
>(
  options: CacheDefinitionOptions<Args, Input> &
    CacheSchemaOptions<Input, T> &
    CacheLoaderOptions<I> & {
      load?: Load<Args, LoadContext<NoInfer<T>> & Injected<I>, Loaded | PromiseLike<Loaded>>;
      loadMany?: LoadMany<Args, LoadManyContext<LoadContext<NoInfer<T>>> & Injected<I>, NoInfer<Input>>;
    },
): CacheDefinition<Args, T, Input, FoundOf<T, Loaded>>;
export function defineCache<
  Args extends readonly unknown[],
  T = never,
  I extends CacheInjections = {},
  Result = undefined,
>(
  options: CacheDefinitionOptions<Args, ValueOf<T, Result>> &
    CacheLoaderOptions<I> & {
      load?: Load<Args, OpenLoadContext & Injected<I>, Result>;
      loadMany?: LoadMany<Args, LoadManyContext<OpenLoadContext> & Injected<I>, T>;
    },
): CacheDefinition<Args, ValueOf<T, Result>, ValueOf<T, Result>, FoundOf<ValueOf<T, Result>, Result>>;
export function defineCache(options: object): AnyCacheDefinition {
  return readDefinition(options);
}
