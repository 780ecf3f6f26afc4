import type { ResolvedLockOptions } from '../lock.options.js';

/** A method with a decorator of this library. */
export interface DecoratedMethod {
  /** Names it in errors. */
  readonly place: string;
  /** @throws LockCallError for what cannot be with these options of the module */
  check(module: ResolvedLockOptions): void;
}

const methods = new WeakMap<object, DecoratedMethod[]>();

/** @param prototype of the class that declares it */
export function noteDecoratedMethod(prototype: object, method: DecoratedMethod): void {
  const noted = methods.get(prototype);
  if (noted) noted.push(method);
  else methods.set(prototype, [method]);
}

/** Those of the class of an object, and of the classes that it extends. */
export function decoratedMethodsOf(instance: object): DecoratedMethod[] {
  const found: DecoratedMethod[] = [];
  for (let prototype = Object.getPrototypeOf(instance); prototype; prototype = Object.getPrototypeOf(prototype))
    found.push(...(methods.get(prototype) ?? []));
  return found;
}
