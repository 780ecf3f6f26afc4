import { cacheKeyText, type CacheKey } from '../keys/cache-key.js';
import { cacheGlob } from '../keys/cache-pattern.js';
import type { CacheService } from '../cache.service.js';
import { settleAll } from '../load/settle-all.js';
import { checkTags } from '../tags/tag.js';

/** What a change in the database makes wrong in the cache. */
export interface Invalidation {
  readonly keys: readonly CacheKey[] | undefined;
  readonly tags: readonly string[] | undefined;
  /** A glob over keys. */
  readonly pattern: string | undefined;
}

/** @throws CacheKeyError, RedisKeyError for what cannot be a key, a tag or a pattern. */
export function checkInvalidation({ keys = [], tags = [], pattern }: Invalidation): void {
  keys.forEach(cacheKeyText);
  checkTags(tags);
  if (pattern !== undefined) cacheGlob('', pattern);
}

/** Ends all of it. An error is thrown once nothing is under way any more, and keeps none of the rest from being ended. */
export async function invalidate(cache: CacheService, { keys = [], tags = [], pattern }: Invalidation): Promise<void> {
  await settleAll<unknown>([
    ...(keys.length > 0 ? [cache.delete(...keys)] : []),
    ...(tags.length > 0 ? [cache.invalidateTags(...tags)] : []),
    ...(pattern !== undefined ? [cache.invalidatePattern(pattern)] : []),
  ]);
}
