import type { AsyncMethod, AsyncMethodDecorator } from '@nuthatch/redis/internal';
import { aroundCachedMethod } from './cache-decorator-wiring.js';
import type { CacheKey } from './cache-key.js';
import type { CacheEntryOptions } from './cache.options.js';

export interface CacheableOptions<M extends AsyncMethod> extends CacheEntryOptions {
  /**
   * The key for a call, from its arguments.
   * @default the class, the method and all arguments
   */
  key?: (...args: Parameters<M>) => CacheKey;
}

/**
 * Caches what an async method of a provider or a controller returns. Name the method to have `key` checked against its
 * arguments: `@Cacheable<UserService['find']>({ key: (id) => ['user', id], ttl: '10m' })`. The class then needs
 * CacheModule; a call on an object that Nest did not create rejects with a ServiceNotInjectedError.
 *
 * @throws CacheOptionsError, CacheKeyError and CacheValueError from the call
 */
export function Cacheable<M extends AsyncMethod = AsyncMethod>(
  options: CacheableOptions<M> = {},
): AsyncMethodDecorator {
  const { key, ...entry } = options;
  // Async, so that a key that cannot be made rejects the call and does not throw from it.
  return aroundCachedMethod(async (wiring, call) =>
    wiring.cache.getOrSet(
      key ? key(...(call.args as Parameters<M>)) : wiring.keys.keyOf(call),
      () => call.proceed(),
      entry,
    ),
  );
}
