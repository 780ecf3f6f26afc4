import type { CacheEntryOptions } from '../cache.options.js';
import type { CacheKey } from '../keys/cache-key.js';
import type { LoadContext } from '../load/load-context.js';
import type { StandardSchema } from './standard-schema.js';

/**
 * A cache as data: the name, the keys, the types and how its entries are kept. Made by {@link defineCache}.
 *
 * - `Args`: what `get` takes.
 * - `T`: the values that come out.
 * - `Input`: the values that go in; not `T` where the schema changes them.
 * - `Found`: what `get` resolves to; without `undefined` where there is a loader that always returns a value.
 */
export interface CacheDefinition<Args extends readonly unknown[], T, Input = T, Found = T | undefined> {
  readonly name: string;
  /** The key of an entry, within the cache. */
  readonly key: (...args: Args) => CacheKey;
  readonly version: number | string | undefined;
  /** How entries are kept, as far as the definition says so. */
  readonly options: Readonly<CacheEntryOptions>;
  /** @internal */
  readonly plan: CachePlan;
  /** Only there for the compiler. */
  readonly '~types'?: { readonly value: T; readonly input: (input: Input) => void; readonly found: Found } | undefined;
}

/** Any definition, whatever its types. */
export type AnyCacheDefinition = CacheDefinition<never, unknown, never, unknown>;

/** What a loader needs of the application: tokens of providers, by the names that they get in its context. */
export type CacheInjections = Readonly<Record<string, CacheInjection>>;

export type CacheInjection = string | symbol | (abstract new (...args: never[]) => unknown);

/** The providers themselves. What stands under a string or a symbol is `unknown`. */
export type Injected<I extends CacheInjections> = {
  readonly [Name in keyof I]: I[Name] extends abstract new (...args: never[]) => infer Provider ? Provider : unknown;
};

/** What `loadMany` is given after the calls. */
export interface LoadManyContext<Context = LoadContext> {
  /** Aborts as soon as that of one of the calls does. */
  readonly signal: AbortSignal;
  /** What each call can say about its value, in the order of the calls. */
  readonly contexts: readonly Context[];
}

/** What a definition has beside its name and its keys, of no type in particular. @internal */
export interface CachePlan {
  /** Injection token of the TypedCache. */
  readonly token: symbol;
  readonly schema: StandardSchema | undefined;
  readonly inject: CacheInjections;
  readonly tagsOf: ((...args: readonly unknown[]) => readonly string[]) | undefined;
  readonly valueTagsOf: ((value: unknown, ...args: readonly unknown[]) => readonly string[]) | undefined;
  readonly load: ((...call: readonly unknown[]) => unknown) | undefined;
  readonly loadMany: ((calls: readonly (readonly unknown[])[], context: LoadManyContext) => unknown) | undefined;
  readonly batchSize: number;
}
