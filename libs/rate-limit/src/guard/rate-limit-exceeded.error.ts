import { HttpException } from '@nestjs/common';
import type { RateLimitDecision } from '../decision.js';
import { problemOf, type RateLimitProblem } from '../http/problem.js';

const DENIAL = Symbol.for('@nuthatch/rate-limit:denial');
const TOO_MANY_REQUESTS = 429;
const CODE = 'RATE_LIMIT_EXCEEDED';

/**
 * A call was denied. Over HTTP it is a 429 with `application/problem+json`; GraphQL shows the same in the `extensions` of the
 * error, and WebSocket and RPC as what their clients get.
 *
 * What is thrown to WebSocket and RPC handlers is a `WsException` and an `RpcException`, which is what their filters
 * understand, and an `instanceof` this class all the same: `@Catch(RateLimitExceededError)` catches all of them.
 */
export class RateLimitExceededError extends HttpException {
  readonly code = CODE;
  /** What GraphQL shows beside the message. */
  readonly extensions: RateLimitProblem & { readonly code: typeof CODE };

  /** @param policies those of the decision: what is in the shadow is not told of */
  constructor(
    readonly decision: RateLimitDecision,
    policies: Parameters<typeof problemOf>[1] = [],
  ) {
    const problem = problemOf(decision, policies);
    super(problem, TOO_MANY_REQUESTS);
    this.name = 'RateLimitExceededError';
    this.message = problem.detail;
    this.extensions = { code: CODE, ...problem };
    markAsDenial(this);
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    // A subclass asks for its own objects only.
    if (this !== RateLimitExceededError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === 'object' && value !== null && DENIAL in value;
  }
}

/** Makes it an `instanceof` {@link RateLimitExceededError}, whatever its class. */
export function markAsDenial(error: object): void {
  Object.defineProperty(error, DENIAL, { value: true });
}
