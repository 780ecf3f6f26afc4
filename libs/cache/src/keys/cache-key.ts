import { joinKey, type KeySegment } from '@nuthatch/redis/internal';
import { CacheKeyError } from '../cache.errors.js';

/**
 * The name of an entry. In a string the `:` separates segments, so `'user:42'` and `['user', 42]` are the same key. Put
 * what a user has typed into a list: there a `:` is escaped like every other special character.
 */
export type CacheKey = string | readonly KeySegment[];

/** The key within a cache, escaped. */
export function cacheKeyText(key: CacheKey): string {
  if (typeof key === 'string' || Array.isArray(key)) return joinKey(key as string | readonly KeySegment[]);
  throw new CacheKeyError(`A cache key is of type ${typeof key}. Give a string or a list of segments.`);
}
