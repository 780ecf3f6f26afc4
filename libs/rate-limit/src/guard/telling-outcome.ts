import { map, pipe, tap, type UnaryFunction, type Observable } from 'rxjs';
import { propertyAt } from './property-at.js';
import type { Outcome } from './guarded-call.js';
import { followedTo } from './followed-to.js';

/**
 * Tells how the call of a handler went: `'success'` when it completes, `'failure'` for an error, and `'unknown'` when whoever
 * waits for it goes away before there is any answer. A subscription of GraphQL goes on until its events end.
 */
export function tellingOutcome(
  tell: (outcome: Outcome) => void,
): UnaryFunction<Observable<unknown>, Observable<unknown>> {
  let answered = false;
  let goesOn = false;
  return pipe(
    map((value: unknown) => {
      answered = true;
      if (!isEvents(value)) return value;
      goesOn = true;
      return followedTo(value, tell);
    }),
    tap({
      error: () => tell('failure'),
      complete: () => goesOn || tell('success'),
      unsubscribe: () => goesOn || tell(answered ? 'success' : 'unknown'),
    }),
  );
}

/** What a subscription of GraphQL answers. A stream of Node is no iterator, only iterable. */
function isEvents(value: unknown): value is AsyncIterator<unknown> {
  return typeof propertyAt(value, 'next') === 'function' && typeof value === 'object' && Symbol.asyncIterator in value!;
}
