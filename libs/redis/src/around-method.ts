import { Inject, type Type } from '@nestjs/common';
import { ServiceNotInjectedError } from './redis.errors.js';

/** A call of a decorated method, before it has run. */
export interface MethodCall {
  /** The object it was called on. */
  readonly target: object;
  /** The class that declares the method. */
  readonly owner: Type;
  readonly method: string;
  readonly args: readonly unknown[];
  /** Runs the method as it was written. */
  proceed(): unknown;
}

export type AsyncMethod = (...args: never[]) => Promise<unknown>;

/** Goes on methods that return a promise; the compiler refuses it elsewhere. */
export type AsyncMethodDecorator = <M extends AsyncMethod>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void;

/**
 * Makes decorators that run code around an async method, with a service injected into the class of the method. It works
 * on self-calls, `super` calls, subclasses, request-scoped providers and controllers, and keeps the metadata of other
 * decorators, because it changes the method itself and not an instance of the class.
 *
 * @param hint what Nest prints when the service cannot be resolved; say which module to import
 */
export function aroundMethod<S extends object>(service: Type<S>, hint: string) {
  const slot = Symbol(hint);
  return (around: (service: S, call: MethodCall) => Promise<unknown>): AsyncMethodDecorator =>
    (target, key, descriptor) => {
      const original = descriptor.value as unknown as ((...args: unknown[]) => unknown) | undefined;
      if (typeof original !== 'function') throw new TypeError(`${String(key)} is not a method. ${hint}`);
      const owner = target.constructor as Type;
      const method = String(key);
      if (!(slot in target)) {
        Object.defineProperty(target, slot, { value: undefined, writable: true });
        Inject(service)(target, slot);
      }
      const wrapper = function (this: object & { [slot]?: S }, ...args: unknown[]): Promise<unknown> {
        const injected = this?.[slot];
        if (!injected) return Promise.reject(new ServiceNotInjectedError(owner.name, method, hint));
        return around(injected, { target: this, owner, method, args, proceed: () => original.apply(this, args) });
      };
      // reflect-metadata walks prototypes: routes, guards and API docs set on the original are found on the wrapper.
      Object.setPrototypeOf(wrapper, original);
      Object.defineProperty(wrapper, 'name', { value: original.name, configurable: true });
      descriptor.value = wrapper as unknown as NonNullable<typeof descriptor.value>;
    };
}
