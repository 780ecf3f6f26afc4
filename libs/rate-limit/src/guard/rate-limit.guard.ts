import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { GUARDED_CALLS } from './guard.tokens.js';
import type { GuardedCalls } from './guarded-calls.js';

/**
 * Lets a call through when its policies allow it: those of `@RateLimit()`, and the `defaults` of the module. `@RateLimit()`
 * brings it along, and the module has it everywhere where there are `defaults`, so that it is seldom needed by itself.
 *
 * Throws `RateLimitExceededError` for a denial. What it can decide only after all guards have run, RateLimitInterceptor does.
 */
@Injectable()
export class RateLimitGuard implements CanActivate {
  readonly #calls: GuardedCalls;

  constructor(@Inject(GUARDED_CALLS) calls: object) {
    this.#calls = calls as GuardedCalls;
  }

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const call = this.#calls.of(context);
    return call ? call.decideAtGuard().then(() => true) : true;
  }
}
