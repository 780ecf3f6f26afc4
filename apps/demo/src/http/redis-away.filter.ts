import { Catch, ServiceUnavailableException, type ArgumentsHost } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';

/** A 503 for what cannot be done without Redis. */
@Catch(RedisUnreachableError, RedisTimeoutError)
export class RedisAwayFilter extends BaseExceptionFilter {
  override catch(cause: RedisUnreachableError | RedisTimeoutError, host: ArgumentsHost): void {
    super.catch(new ServiceUnavailableException('Redis is away. Try again soon.', { cause }), host);
  }
}
