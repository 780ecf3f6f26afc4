import type { AsyncMethod, AsyncMethodDecorator } from '@nuthatch/redis/internal';
import { aroundCachedMethod } from './cache-decorator-wiring.js';
import { cacheKeyText, type CacheKey } from '../keys/cache-key.js';
import { CacheOptionsError } from '../cache.errors.js';
import { resolveCacheOptions, resolveEntryOptions } from '../cache.options.js';
import { checkConstantKey, prefixKeys } from './key-prefix.js';
import type { MethodEntryOptions, ResultOf } from './method-entry.options.js';
import { checkTags } from '../tags/tag.js';

export type CachePutOptions<M extends AsyncMethod> = MethodEntryOptions<M> & PutKey<M>;

type PutKey<M extends AsyncMethod> =
  | {
      /** The key, or a function that makes it from the arguments of the call. */
      key: CacheKey | ((...args: Parameters<M>) => CacheKey);
      resultKey?: undefined;
    }
  | {
      /** Makes the key from the result too, for methods that create: `(user) => ['user', user.id]`. */
      resultKey: (result: ResultOf<M>, ...args: Parameters<M>) => CacheKey;
      key?: undefined;
    };

const DEFAULTS = resolveCacheOptions();

/**
 * Runs the method each time, and caches what it returns:
 * `@CachePut<UserService['rename']>({ key: (id) => ['user', id], ttl: '10m' })`. When it returns undefined, the key is
 * deleted; when it throws, nothing changes. Key, tags and options are checked before the method runs.
 *
 * Of two calls for one key the last to end is cached, which need not be the last that the database saw; and in an open
 * transaction a result is cached that may yet be rolled back. Where that can happen use `@CacheInvalidate`.
 *
 * @throws CacheOptionsError for missing or wrong constants. CacheOptionsError, CacheKeyError and CacheValueError from the
 * call.
 */
export function CachePut<M extends AsyncMethod = AsyncMethod>(options: CachePutOptions<M>): AsyncMethodDecorator {
  const { key, resultKey, keyPrefix, condition, unless, tags, resultTags, ...entry } = options;
  if ((key === undefined) === (resultKey === undefined)) {
    const problem = key === undefined ? 'neither "key" nor "resultKey"' : 'both "key" and "resultKey"';
    throw new CacheOptionsError([`@CachePut() has ${problem}. Give one of them.`]);
  }
  const prefixed = prefixKeys(keyPrefix);
  if (key !== undefined && typeof key !== 'function') checkConstantKey('key', key);

  return aroundCachedMethod(async ({ cache }, call) => {
    const args = call.args as Parameters<M>;
    if (condition && !condition(...args)) return call.proceed();
    // All that can be wrong is found out while nothing has happened yet, and the method may change its arguments.
    resolveEntryOptions(entry, DEFAULTS);
    const early = key === undefined ? undefined : prefixed(typeof key === 'function' ? key(...args) : key);
    if (early !== undefined) cacheKeyText(early);
    const known = checkTags(typeof tags === 'function' ? tags(...args) : (tags ?? []));

    const result = (await call.proceed()) as ResultOf<M>;
    if (unless?.(result, ...args)) return result;
    const target = early ?? prefixed(resultKey!(result, ...args));
    if (result === undefined) await cache.delete(target);
    else await cache.set(target, result, { ...entry, tags: [...known, ...(resultTags?.(result, ...args) ?? [])] });
    return result;
  });
}
