import { declareSkip } from './rate-limit.metadata.js';

/**
 * Takes policies away from a handler, or from all handlers of a class: the `defaults` of the module, and, on a method,
 * also those of its class. No names: all of them. What stands beside it in a `@RateLimit()` stays, so that both together
 * mean: this, and nothing else.
 */
export function SkipRateLimit(...names: string[]): ClassDecorator & MethodDecorator {
  return declareSkip(names);
}
