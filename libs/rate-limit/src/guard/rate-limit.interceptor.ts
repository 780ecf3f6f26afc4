import { Inject, Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { concatMap, defer, type Observable } from 'rxjs';
import { withinCall } from './current-call.js';
import { GUARDED_CALLS } from './guard.tokens.js';
import type { GuardedCalls } from './guarded-calls.js';
import { tellingOutcome } from './telling-outcome.js';

/** Decides what had to wait until all guards have run, and tells how calls went that do not end with a response. */
@Injectable()
export class RateLimitInterceptor implements NestInterceptor {
  readonly #calls: GuardedCalls;

  constructor(@Inject(GUARDED_CALLS) calls: object) {
    this.#calls = calls as GuardedCalls;
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const call = this.#calls.of(context);
    if (!call) return next.handle();
    // Of several interceptors the first sees all of the call.
    const isFirst = call.beginHandling();
    const handled = isFirst ? withinCall(context, call, () => next.handle()) : next.handle();
    const decided = call.hasLateParts ? defer(() => call.decideAtHandler()).pipe(concatMap(() => handled)) : handled;
    return !isFirst || call.endsWithResponse
      ? decided
      : decided.pipe(tellingOutcome((outcome) => call.finish(outcome)));
  }
}
