export { RateLimitModule, type RateLimitModuleAsyncOptions } from './rate-limit.module.js';
export type { RateLimitModuleOptions } from './rate-limit.options.js';
export { RateLimiter, type CheckResult, type ConsumeOptions } from './rate-limiter.js';
export type { Reservation } from './reservation.js';
export type { PolicyState, RateLimitDecision } from './decision.js';
export { calendar, concurrency, fixedWindow, gcra, slidingLog, slidingWindow, tokenBucket } from './policies/policy.js';
export type {
  BlockOptions,
  CalendarOptions,
  ConcurrencyOptions,
  FixedWindowOptions,
  GcraOptions,
  Limit,
  OutageMode,
  Policy,
  PolicyOptions,
  SlidingWindowOptions,
  TokenBucketOptions,
  WindowOptions,
} from './policies/policy.js';
export type { By, Caller, SubjectOf } from './guard/caller.js';
export { RateLimitGuard } from './guard/rate-limit.guard.js';
export { RateLimitInterceptor } from './guard/rate-limit.interceptor.js';
export { RateLimit } from './guard/rate-limit.decorator.js';
export { SkipRateLimit } from './guard/skip-rate-limit.decorator.js';
export { RateLimitInfo } from './guard/rate-limit-info.decorator.js';
export { RateLimitExceededError } from './guard/rate-limit-exceeded.error.js';
export { RateLimitFunctionError } from './guard/rate-limit-function.error.js';
export type { CostOf, RateLimitCallOptions } from './guard/rate-limit.metadata.js';
export { RateLimitRefusalError } from './guard/rate-limit-refusal.error.js';
export type { RateLimitProblem } from './http/problem.js';
export type { IpOptions } from './ip/ip.options.js';
export type { LeaseOptions } from './leasing/lease-options.js';
export type { LimitOverride } from './overrides/override-entry.js';
export type { OverrideOptions } from './overrides/limit-overrides.js';
export { LimitOverridesFullError } from './overrides/limit-overrides.errors.js';
export type { TopConsumer } from './top/top-consumers.js';
export { RateLimitCallError, RateLimitCostError, RateLimitOptionsError } from './rate-limit.errors.js';
