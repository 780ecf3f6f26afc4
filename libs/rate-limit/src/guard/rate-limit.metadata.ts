import type { Policy } from '../policies/policy.js';
import type { Caller } from './caller.js';

/** Says how much a call takes. */
export type CostOf = (caller: Caller) => number | Promise<number>;

export interface RateLimitCallOptions {
  /**
   * How much a call takes, a whole number of 1 or more, or what says it for a caller: `(caller) => caller.data.items.length`.
   * It is asked before pipes have checked anything. Of a `concurrency` policy each call takes one place all the same.
   * @default the `cost` of each policy
   */
  cost?: number | CostOf;
}

/** What a `@RateLimit()` was given, as it is: nobody has checked it. */
export interface LimitDeclaration {
  readonly policies: readonly (string | Policy)[];
  readonly options: RateLimitCallOptions;
}

/** What a `@SkipRateLimit()` was given. None: all. */
export type SkipDeclaration = readonly string[];

/** What all decorators of a class or a method say together. */
export interface Declarations {
  readonly limits: readonly LimitDeclaration[];
  readonly skips: readonly SkipDeclaration[];
}

const LIMITS = Symbol('@nuthatch/rate-limit:limits');
const SKIPS = Symbol('@nuthatch/rate-limit:skips');

export const declareLimit = (limit: LimitDeclaration): ClassDecorator & MethodDecorator =>
  declare('@RateLimit()', LIMITS, limit);
export const declareSkip = (skip: SkipDeclaration): ClassDecorator & MethodDecorator =>
  declare('@SkipRateLimit()', SKIPS, skip);

/** @param target a class, or the function of a method */
export function declarationsOf(target: object): Declarations {
  return { limits: listOf(LIMITS, target), skips: listOf(SKIPS, target) };
}

function declare(decorator: string, key: symbol, value: unknown): ClassDecorator & MethodDecorator {
  return (target: object, property?: string | symbol, descriptor?: PropertyDescriptor): void => {
    const place: unknown = property === undefined ? target : descriptor?.value;
    // Nest calls handlers by their names on objects: elsewhere it would never be asked, and nobody would know.
    if (typeof place !== 'function' || typeof property === 'symbol' || (property && typeof target === 'function')) {
      throw new TypeError(
        `${decorator} is on ${String(property)}. Put it on a class, or on a method that is not static.`,
      );
    }
    // As with guards, what a class says is added to what its base class says. Decorators are applied from below.
    Reflect.defineMetadata(key, [value, ...listOf(key, place)], place);
  };
}

function listOf<T>(key: symbol, target: object): readonly T[] {
  return (Reflect.getMetadata(key, target) as readonly T[] | undefined) ?? [];
}
