import { NuthatchError } from '@nuthatch/redis';
import { injectInto, OptionsReader, type AsyncMethod, type AsyncMethodDecorator } from '@nuthatch/redis/internal';
import { aroundCachedMethod } from './cache-decorator-wiring.js';
import type { CacheKey } from '../keys/cache-key.js';
import { CacheOptionsError } from '../cache.errors.js';
import { checkInvalidation, invalidate, type Invalidation } from './invalidation.js';
import { CacheTransactions } from './transaction-port.js';

/** At least one of `keys`, `tags` and `pattern`. Functions get the arguments of the call, before the method runs. */
export interface CacheInvalidateOptions<M extends AsyncMethod> {
  /** A list of the keys to delete: `(id) => [['user', id], 'users']`. */
  keys?: readonly CacheKey[] | ((...args: Parameters<M>) => readonly CacheKey[]);
  /** The tags whose entries end. */
  tags?: readonly string[] | ((...args: Parameters<M>) => readonly string[]);
  /**
   * A glob over keys, as for `invalidatePattern`: `'project:*'`. Insert arguments by {@link keyPattern}, so that a `*` that
   * a user has typed stays one character: ``(id) => keyPattern`project:${id}:*` ``.
   */
  pattern?: string | ((...args: Parameters<M>) => string);
  /**
   * `'after'`: once the method has succeeded. `'before'`: before it runs, also when it then fails; a reader may cache the
   * old state again meanwhile. `'after-commit'`: once the transaction has committed in which the method is called, and not
   * at all when that rolls back; outside a transaction like `'after'`. It needs a {@link CacheTransactions}.
   * @default 'after'
   */
  when?: 'before' | 'after' | 'after-commit';
}

const WHEN = ['before', 'after', 'after-commit'] as const;

const TRANSACTIONS = Symbol(
  `Provide CacheTransactions, in a module that this one imports or a global one, to use @CacheInvalidate({ when: 'after-commit' }).`,
);

/**
 * Ends entries of the cache when the method has succeeded; when it throws, nothing is ended. The method's promise resolves
 * once that is done: `@CacheInvalidate<UserService['rename']>({ keys: (id) => [['user', id]], tags: ['users'] })`. A string
 * is a pattern if there is a `*` in it, else a key: `@CacheInvalidate('project:*')`.
 *
 * @throws CacheOptionsError for wrong options and for constants that cannot be used. CacheKeyError from the call, before
 * the method runs. With `onOutage: 'throw'` RedisUnreachableError and RedisTimeoutError: the method has run, and the
 * entries may still be there.
 */
export function CacheInvalidate<M extends AsyncMethod = AsyncMethod>(
  options: CacheInvalidateOptions<M> | string,
): AsyncMethodDecorator {
  const { keys, tags, pattern, when } = readOptions<M>(options);

  const around = aroundCachedMethod(async ({ cache }, call) => {
    const args = call.args as Parameters<M>;
    // Before the method runs: it may change the objects that these are made of, and what is wrong with them is found out
    // while nothing has happened yet.
    const doomed: Invalidation = {
      keys: typeof keys === 'function' ? [...keys(...args)] : keys,
      tags: typeof tags === 'function' ? [...tags(...args)] : tags,
      pattern: typeof pattern === 'function' ? pattern(...args) : pattern,
    };
    checkInvalidation(doomed);
    const task = (): Promise<void> => invalidate(cache, doomed);
    if (when === 'before') {
      await task();
      return call.proceed();
    }
    const result = await call.proceed();
    const transactions = (call.target as { readonly [TRANSACTIONS]?: CacheTransactions })[TRANSACTIONS];
    if (when === 'after' || !transactions!.afterCommit(task)) await task();
    return result;
  });
  if (when !== 'after-commit') return around;
  return (target, key, descriptor) => {
    injectInto(target, TRANSACTIONS, CacheTransactions);
    around(target, key, descriptor);
  };
}

/** @throws CacheOptionsError that lists every mistake at once. */
function readOptions<M extends AsyncMethod>(options: CacheInvalidateOptions<M> | string) {
  const given: CacheInvalidateOptions<M> =
    typeof options !== 'string' ? options : options.includes('*') ? { pattern: options } : { keys: [options] };
  const mistakes: string[] = [];
  const reader = new OptionsReader(given, '@CacheInvalidate()', mistakes);
  for (const name of ['keys', 'tags', 'pattern']) reader.ignore(name);
  const when = reader.oneOf('when', WHEN, 'after') ?? 'after';
  reader.rejectUnknown();
  const { keys, tags, pattern } = given ?? {};
  if (keys === undefined && tags === undefined && pattern === undefined) {
    mistakes.push('@CacheInvalidate() has none of "keys", "tags" and "pattern". Give at least one.');
  }
  try {
    checkInvalidation({ keys: constant(keys), tags: constant(tags), pattern: constant(pattern) });
  } catch (error) {
    if (!(error instanceof NuthatchError)) throw error;
    mistakes.push(`@CacheInvalidate(): ${error.message}`);
  }
  if (mistakes.length > 0) throw new CacheOptionsError(mistakes);
  return { keys, tags, pattern, when };
}

function constant<T>(option: T): Exclude<T, (...args: never[]) => unknown> | undefined {
  return typeof option === 'function' ? undefined : (option as Exclude<T, (...args: never[]) => unknown>);
}
