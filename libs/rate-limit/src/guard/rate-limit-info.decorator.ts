import { createParamDecorator } from '@nestjs/common';
import { currentCall } from './current-call.js';

/**
 * The `RateLimitDecision` of the call that a handler serves; undefined where no policy applies to it.
 *
 * ```ts
 * @Get() list(@RateLimitInfo() limits: RateLimitDecision | undefined) { ... }
 * ```
 */
export const RateLimitInfo: () => ParameterDecorator = createParamDecorator(
  (_: unknown, context) => currentCall(context)?.decision,
);
