import type { AsyncMethod, AsyncMethodDecorator, MethodCall } from '@nuthatch/redis/internal';
import { aroundCachedMethod } from './cache-decorator-wiring.js';
import type { CacheKey } from '../keys/cache-key.js';
import type { CacheEntryOptions } from '../cache.options.js';
import { checkConstantKey, prefixKeys } from './key-prefix.js';
import type { LoadContext } from '../load/load-context.js';
import type { MethodEntryOptions, ResultOf } from './method-entry.options.js';
import { checkTags } from '../tags/tag.js';

export interface CacheableOptions<M extends AsyncMethod> extends MethodEntryOptions<M> {
  /**
   * The key for a call, from its arguments; or one for all calls.
   * @default the class, the method and all arguments
   */
  key?: CacheKey | ((...args: Parameters<M>) => CacheKey);
}

/**
 * Caches what an async method of a provider or a controller returns. Name the method to have the options checked against
 * it: `@Cacheable<UserService['find']>({ key: (id) => ['user', id], unless: (user) => user === null, ttl: '10m' })`. The
 * class then needs CacheModule; a call on an object that Nest did not create rejects with a ServiceNotInjectedError.
 *
 * @throws CacheOptionsError for a constant that is no key. CacheOptionsError, CacheKeyError and CacheValueError from the
 * call.
 */
export function Cacheable<M extends AsyncMethod = AsyncMethod>(
  options: CacheableOptions<M> = {},
): AsyncMethodDecorator {
  const { key, keyPrefix, condition, unless, tags, resultTags, ...others } = options;
  const prefixed = prefixKeys(keyPrefix);
  if (key !== undefined && typeof key !== 'function') checkConstantKey('key', key);
  const tagsOf = typeof tags === 'function' ? tags : undefined;
  // One object for all calls, or none: the cache need not read it anew for each.
  const given: CacheEntryOptions = typeof tags === 'function' || tags === undefined ? others : { ...others, tags };
  const entry = Object.keys(given).length === 0 ? undefined : Object.freeze(given);

  const load = async (context: LoadContext<unknown>, call: MethodCall): Promise<unknown> => {
    const args = call.args as Parameters<M>;
    // Before the method runs: it may change the objects that the tags are made of.
    if (tagsOf) context.tag(...checkTags(tagsOf(...args)));
    const result = (await call.proceed()) as ResultOf<M>;
    if (unless?.(result, ...args)) context.noStore();
    else if (resultTags) context.tag(...checkTags(resultTags(result, ...args)));
    return result;
  };
  const plain = !unless && !tagsOf && !resultTags;

  return aroundCachedMethod(({ cache, keys }, call) => {
    const args = call.args as Parameters<M>;
    if (condition && !condition(...args)) return call.proceed();
    const made = key === undefined ? keys.keyOf(call) : typeof key === 'function' ? key(...args) : key;
    return cache.getOrSet(
      prefixed(made),
      plain ? () => call.proceed() : (context: LoadContext<unknown>) => load(context, call),
      entry,
    );
  });
}
