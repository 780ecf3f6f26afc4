export { RateLimitModule, type RateLimitModuleAsyncOptions } from './rate-limit.module.js';
export type { RateLimitModuleOptions } from './rate-limit.options.js';
export { RateLimiter, type CheckResult, type ConsumeOptions } from './rate-limiter.js';
export type { PolicyState, RateLimitDecision } from './decision.js';
export { fixedWindow, gcra, slidingLog, slidingWindow, tokenBucket } from './policies/policy.js';
export type {
  GcraOptions,
  OutageMode,
  Policy,
  PolicyOptions,
  SlidingWindowOptions,
  TokenBucketOptions,
  WindowOptions,
} from './policies/policy.js';
export { RateLimitCallError, RateLimitCostError, RateLimitOptionsError } from './rate-limit.errors.js';
