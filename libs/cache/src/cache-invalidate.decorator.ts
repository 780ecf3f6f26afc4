import type { AsyncMethod, AsyncMethodDecorator } from '@nuthatch/redis/internal';
import { aroundCachedMethod } from './cache-decorator-wiring.js';
import { cacheKeyText, type CacheKey } from './cache-key.js';

export interface CacheInvalidateOptions<M extends AsyncMethod> {
  /** The keys to delete, or a function that makes them from the arguments of the call. */
  keys: readonly CacheKey[] | ((...args: Parameters<M>) => readonly CacheKey[]);
}

/**
 * Deletes keys after the method has succeeded; when it throws, nothing is deleted. The method's promise resolves once the
 * keys are gone: `@CacheInvalidate<UserService['rename']>({ keys: (id) => [['user', id]] })`.
 *
 * @throws RedisUnreachableError, RedisTimeoutError from the call: the method has run, and the keys may still be there.
 */
export function CacheInvalidate<M extends AsyncMethod = AsyncMethod>(
  options: CacheInvalidateOptions<M>,
): AsyncMethodDecorator {
  return aroundCachedMethod(async (wiring, call) => {
    const { keys } = options;
    // Before the method runs: it may change the objects that the keys are made of.
    const doomed = typeof keys === 'function' ? keys(...(call.args as Parameters<M>)) : keys;
    // A key that cannot be is found out now, while nothing has happened yet.
    doomed.forEach(cacheKeyText);
    const result = await call.proceed();
    await wiring.cache.delete(...doomed);
    return result;
  });
}
