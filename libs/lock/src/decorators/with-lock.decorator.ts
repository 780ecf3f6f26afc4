import type { MethodCall } from '@nuthatch/redis/internal';
import { requestFor } from '../lock-request.js';
import { LockBusyError, LockCallError } from '../lock.errors.js';
import {
  resolveAcquireOptions,
  type AcquireOptions,
  type ResolvedAcquireOptions,
  type ResolvedLockOptions,
} from '../lock.options.js';
import { quote } from '../quote.js';
import { resolveKeys } from '../resolve-keys.js';
import type { LockSections } from '../sections/lock-sections.js';
import { aroundLockedMethod } from './around-locked-method.js';
import type { LockedMethodDecorator, SkippableMethodDecorator } from './locked-method.js';
import { runLocked } from './run-locked.js';

/** What a call may say, and what becomes of one that is not served. */
export interface WithLockOptions extends Omit<AcquireOptions, 'signal'> {
  /** Whether a call that did not get the lock within `wait` throws a LockBusyError, or resolves to undefined. @default 'throw' */
  readonly onBusy?: 'throw' | 'skip';
}

/** One key, or several that are locked together. */
export type LockKeys = string | readonly string[];

/**
 * Runs an async method of a provider or a controller while it holds a lock. A text is a key as it is; a function makes the key
 * from the arguments of the method, against which the compiler checks those that it names.
 *
 * A method that calls another one with the same key enters again. Within it, `currentLock()` is the lock. A decorator that opens a
 * transaction goes below this one, so that it commits before the lock is released.
 *
 * The class needs LockModule; a call on an object that Nest did not create rejects with a ServiceNotInjectedError.
 *
 * @example
 * ```ts
 * @WithLock((orderId: string) => `order:${orderId}`, { wait: '5s' })
 * async pay(orderId: string): Promise<Receipt> {
 *   return this.bank.charge(orderId, { signal: currentLock().signal });
 * }
 * ```
 * @throws LockCallError for wrong options or a text that is no key. At boot a LockOptionsError, for options that the module does not
 *   allow, such as a `ttl` below three times its `redisTimeout`. From the call: what LockService.withLock() throws
 */
export function WithLock<A extends readonly unknown[] = unknown[]>(
  key: LockKeys | ((...args: A) => LockKeys),
  options?: WithLockOptions & { readonly onBusy?: 'throw' },
): LockedMethodDecorator<A>;
export function WithLock<A extends readonly unknown[] = unknown[]>(
  key: LockKeys | ((...args: A) => LockKeys),
  options: WithLockOptions,
): SkippableMethodDecorator<A>;
export function WithLock<A extends readonly unknown[]>(
  key: LockKeys | ((...args: A) => LockKeys),
  options?: WithLockOptions,
): LockedMethodDecorator<A> {
  if (typeof key !== 'function') resolveKeys('', key);
  const { skips, optionsOf } = readOptions(options);
  const refused = (error: unknown): undefined => {
    if (!skips || !(error instanceof LockBusyError)) throw error;
  };
  const run = (sections: LockSections, call: MethodCall): Promise<unknown> => {
    const keys = typeof key === 'function' ? key(...(call.args as A)) : key;
    const request = requestFor(resolveKeys(sections.root, keys), optionsOf(sections.options));
    return runLocked(sections, request, call, refused);
  };
  return aroundLockedMethod(run, '@WithLock()', (module) => void optionsOf(module));
}

// So that what does not depend on the module is checked where the class is written.
const ANY_MODULE: ResolvedLockOptions = {
  connection: 'default',
  replicas: undefined,
  redisTimeoutMs: 0,
  waitMs: 0,
  ttlMs: 0,
  maxHoldMs: Number.POSITIVE_INFINITY,
  delayMs: 0,
  fair: true,
  signal: undefined,
};

function readOptions(options: WithLockOptions | undefined): {
  skips: boolean;
  optionsOf: (module: ResolvedLockOptions) => ResolvedAcquireOptions;
} {
  if (options === undefined) return { skips: false, optionsOf: (module) => module };
  if (typeof options !== 'object' || options === null) throw new LockCallError('options is no object. Give an object.');
  const { onBusy = 'throw', ...given } = options;
  if (onBusy !== 'throw' && onBusy !== 'skip') {
    throw new LockCallError(
      `options.onBusy is ${typeof onBusy === 'string' ? quote(onBusy) : `of type ${typeof onBusy}`}. Use one of 'throw', 'skip'.`,
    );
  }
  resolveAcquireOptions(given, ANY_MODULE);
  const resolved = new WeakMap<ResolvedLockOptions, ResolvedAcquireOptions>();
  return {
    skips: onBusy === 'skip',
    optionsOf: (module) => {
      const known = resolved.get(module) ?? resolveAcquireOptions(given, module);
      resolved.set(module, known);
      return known;
    },
  };
}
