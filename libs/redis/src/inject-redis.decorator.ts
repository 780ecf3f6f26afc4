import { Inject } from '@nestjs/common';
import { getRedisToken } from './redis.tokens.js';

/**
 * Injects the ioredis client of a named connection: `constructor(@InjectRedis() private readonly redis: Redis) {}`.
 * On an embedded connection the application starts, and the first use of the client throws an EmbeddedConnectionError that
 * names the fix. With `forRootAsync`, list names other than `default` in its `injectable`.
 *
 * @param name @default 'default'
 */
export function InjectRedis(name?: string): PropertyDecorator & ParameterDecorator {
  return Inject(getRedisToken(name));
}
