import { Inject, type InjectionToken, type Type } from '@nestjs/common';
import { ServiceNotInjectedError } from './redis.errors.js';

type Method = (...args: unknown[]) => unknown;

/** What stays the same from call to call. */
interface DecoratedMethod {
  readonly owner: Type;
  readonly name: string;
  readonly original: Method;
}

/** A call of a decorated method, before it has run. */
export class MethodCall {
  // What stays the same is shared, and the rest are methods of the class: a hit in process is measured in nanoseconds.
  readonly #method: DecoratedMethod;

  constructor(
    method: DecoratedMethod,
    /** The object it was called on. */
    readonly target: object,
    readonly args: readonly unknown[],
  ) {
    this.#method = method;
  }

  /** The class that declares the method. */
  get owner(): Type {
    return this.#method.owner;
  }

  get method(): string {
    return this.#method.name;
  }

  /** Runs the method as it was written. Rejects, and never throws, when it throws. */
  proceed(): Promise<unknown> {
    try {
      return Promise.resolve(this.#method.original.apply(this.target, this.args as unknown[]));
    } catch (error) {
      return Promise.reject(error);
    }
  }
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
 * decorators, because it changes the method itself and not an instance of the class. What `around` throws rejects the
 * call.
 *
 * @param hint what Nest prints when the service cannot be resolved; say which module to import
 */
export function aroundMethod<S extends object>(service: Type<S>, hint: string) {
  const slot = Symbol(hint);
  return (around: (service: S, call: MethodCall) => Promise<unknown>): AsyncMethodDecorator =>
    (target, key, descriptor) => {
      const original = descriptor.value as unknown as Method | undefined;
      if (typeof original !== 'function') throw new TypeError(`${String(key)} is not a method. ${hint}`);
      const method = { owner: target.constructor as Type, name: String(key), original };
      injectInto(target, slot, service);
      const wrapper = function (this: object & { [slot]?: S }, ...args: unknown[]): Promise<unknown> {
        const injected = this?.[slot];
        if (!injected) return Promise.reject(new ServiceNotInjectedError(method.owner.name, method.name, hint));
        try {
          return around(injected, new MethodCall(method, this, args));
        } catch (error) {
          return Promise.reject(error);
        }
      };
      // reflect-metadata walks prototypes: routes, guards and API docs set on the original are found on the wrapper.
      Object.setPrototypeOf(wrapper, original);
      Object.defineProperty(wrapper, 'name', { value: original.name, configurable: true });
      descriptor.value = wrapper as unknown as NonNullable<typeof descriptor.value>;
    };
}

/**
 * Has Nest put a service into every object of a class, once however many of its methods ask. Nest prints the description
 * of the symbol when it cannot: say there what to do.
 */
export function injectInto(prototype: object, slot: symbol, service: InjectionToken): void {
  if (slot in prototype) return;
  Object.defineProperty(prototype, slot, { value: undefined, writable: true });
  Inject(service)(prototype, slot);
}
