import { applyDecorators, UseGuards, UseInterceptors } from '@nestjs/common';
import type { Policy } from '../policies/policy.js';
import { declareLimit, type RateLimitCallOptions } from './rate-limit.metadata.js';
import { RateLimitGuard } from './rate-limit.guard.js';
import { RateLimitInterceptor } from './rate-limit.interceptor.js';

type PolicyOrName = string | Policy;

/**
 * Limits the calls of a handler, or of all handlers of a class: HTTP routes, GraphQL resolvers, WebSocket messages and
 * messages of microservices. Policies are those of the module by their names, or made on the spot; those of the class, of
 * the method and the `defaults` of the module are decided together. It needs nothing else on the handler.
 *
 * ```ts
 * @RateLimit('login', 'hour')
 * @RateLimit(gcra({ limit: 3, per: '5m', by: 'user' }))
 * @RateLimit('burst', { cost: (caller) => pagesOf(caller.data) })
 * ```
 *
 * A name or a policy that is wrong fails the start of the application.
 */
export function RateLimit(...policies: [PolicyOrName, ...PolicyOrName[]]): ClassDecorator & MethodDecorator;
export function RateLimit(
  ...policiesAndOptions: [PolicyOrName, ...PolicyOrName[], RateLimitCallOptions]
): ClassDecorator & MethodDecorator;
export function RateLimit(...given: (PolicyOrName | RateLimitCallOptions)[]): ClassDecorator & MethodDecorator {
  const last = given.at(-1);
  const options = isOptions(last) ? last : {};
  const policies = (isOptions(last) ? given.slice(0, -1) : given) as PolicyOrName[];
  return applyDecorators(
    declareLimit({ policies, options }),
    UseGuards(RateLimitGuard),
    UseInterceptors(RateLimitInterceptor),
  );
}

function isOptions(given: PolicyOrName | RateLimitCallOptions | undefined): given is RateLimitCallOptions {
  return typeof given === 'object' && given !== null && !Array.isArray(given) && !('kind' in given);
}
