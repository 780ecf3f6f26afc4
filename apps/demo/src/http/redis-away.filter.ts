import { Catch, ServiceUnavailableException, type ArgumentsHost } from '@nestjs/common';
import { BaseExceptionFilter } from '@nestjs/core';
import { RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';

/** Reads never fail because Redis is away, but an invalidation does: the change is stored, and the cache may not know it. */
@Catch(RedisUnreachableError, RedisTimeoutError)
export class RedisAwayFilter extends BaseExceptionFilter {
  override catch(error: RedisUnreachableError | RedisTimeoutError, host: ArgumentsHost): void {
    const message = 'The change is stored, but Redis is away and may still show the old state. Send the request again.';
    super.catch(new ServiceUnavailableException(message, { cause: error }), host);
  }
}
