import { Body, Controller, Get, HttpCode, Param, Post, Put, Query, UseFilters, UseGuards } from '@nestjs/common';
import {
  RateLimit,
  RateLimitCallError,
  RateLimiter,
  SkipRateLimit,
  slidingWindow,
  type LimitOverride,
  type TopConsumer,
} from '@nuthatch/rate-limit';
import { invalidInput } from '../http/invalid-input.js';
import { RedisAwayFilter } from '../http/redis-away.filter.js';
import { OverrideBody, PolicyParams, ResetBody, TopQuery } from './operator.dto.js';
import { OperatorGuard } from './operator.guard.js';

/** What whoever runs the shop does about limits. Only guesses of the token are limited. */
@Controller('limits/:policy')
@UseFilters(RedisAwayFilter)
@UseGuards(OperatorGuard)
@SkipRateLimit()
@RateLimit(slidingWindow({ limit: 20, per: '1m', by: 'ip', when: 'failures' }))
export class OperatorController {
  readonly #limiter: RateLimiter;

  constructor(limiter: RateLimiter) {
    this.#limiter = limiter;
  }

  @Get('top')
  top(@Param() { policy }: PolicyParams, @Query() { count }: TopQuery): Promise<readonly TopConsumer[]> {
    return this.#limiter.top(policy, count);
  }

  @Post('reset')
  @HttpCode(204)
  async reset(@Param() { policy }: PolicyParams, @Body() { subject }: ResetBody): Promise<void> {
    await this.#limiter.reset(policy, subject);
  }

  /** Answers what is in force of that policy then. */
  @Put('override')
  async override(
    @Param() { policy }: PolicyParams,
    @Body() { limit, ...options }: OverrideBody,
  ): Promise<readonly LimitOverride[]> {
    try {
      await this.#limiter.override(policy, limit === null ? null : { limit }, options);
    } catch (error) {
      // Policies differ in the highest limit that they can have.
      if (error instanceof RateLimitCallError) throw invalidInput({ field: 'limit', message: error.message });
      throw error;
    }
    return this.#limiter.overrides().filter((override) => override.policy === policy);
  }
}
