import type { AsyncMethod } from '@nuthatch/redis/internal';
import type { CacheKey } from '../keys/cache-key.js';
import type { CacheEntryOptions } from '../cache.options.js';

/** What a method resolves to. `never` when the decorator does not name its method, so that callbacks may say it. */
export type ResultOf<M extends AsyncMethod> = unknown extends Awaited<ReturnType<M>> ? never : Awaited<ReturnType<M>>;

/**
 * How the result of a decorated method is cached. Functions are asked for each call: those about the result once the
 * method has run, with the result before the arguments; the others before it runs.
 */
export interface MethodEntryOptions<M extends AsyncMethod> extends Omit<CacheEntryOptions, 'tags'> {
  /** Comes before every key of the method: `'catalogue'`, `['tenant', 7]`. */
  keyPrefix?: CacheKey;
  /** When it returns false, the method runs as if it were not decorated. */
  condition?: (...args: Parameters<M>) => boolean;
  /** When it returns true, the callers get the result, and the cache stays as it is. */
  unless?: (result: ResultOf<M>, ...args: Parameters<M>) => boolean;
  /** The tags of the entry. */
  tags?: readonly string[] | ((...args: Parameters<M>) => readonly string[]);
  /** Further tags that only the result can tell: `(products) => products.map(({ id }) => `product:${id}`)`. */
  resultTags?: (result: ResultOf<M>, ...args: Parameters<M>) => readonly string[];
}
