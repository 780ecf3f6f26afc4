import type { AsyncMethod } from '@nuthatch/redis/internal';

/** Goes on methods that return a promise, and have the arguments that the function for the key takes. */
export type LockedMethodDecorator<A extends readonly unknown[]> = <M extends AsyncMethod>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<M> & HasArguments<M, A>,
) => void;

/** The same, for methods whose promise may be of `undefined`: that is what a call resolves to that is skipped. */
export type SkippableMethodDecorator<A extends readonly unknown[]> = <M extends AsyncMethod>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<M> & HasArguments<M, A> & MayBeUndefined<M>,
) => void;

// What is missing is named by the error of the compiler.
type HasArguments<M extends AsyncMethod, A extends readonly unknown[]> = ((...args: A) => void) extends (
  ...args: Parameters<M>
) => void
  ? unknown
  : { readonly argumentsThatTheKeyFunctionTakes: A };

type MayBeUndefined<M extends AsyncMethod> =
  undefined extends Awaited<ReturnType<M>>
    ? unknown
    : { readonly undefinedInTheTypeOfTheResultForCallsThatAreSkipped: true };
