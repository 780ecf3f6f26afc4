import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { gcra, RateLimiter, RateLimitModule, slidingWindow } from '@nuthatch/rate-limit';
import { RedisModule } from '@nuthatch/redis';

const SUBJECTS = 1_000;
const LIMIT = 1_000_000_000;

class BenchModule {}

export async function open({ url }) {
  const policies = {
    one: gcra({ limit: LIMIT, per: '1h' }),
    two: gcra({ limit: LIMIT, per: '2h' }),
    three: gcra({ limit: LIMIT, per: '3h' }),
    four: gcra({ limit: LIMIT, per: '4h' }),
    window: slidingWindow({ limit: LIMIT, per: '1h' }),
  };
  const imports = [
    RedisModule.forRoot({ connections: { default: { mode: 'standalone', url } } }),
    // More patience than by default: on a busy machine a stall is no outage.
    RateLimitModule.forRoot({ redisTimeout: '2s', policies }),
  ];
  const app = await NestFactory.createApplicationContext(
    { module: BenchModule, imports },
    { logger: ['warn', 'error'] },
  );
  const limiter = app.get(RateLimiter);
  const three = ['one', 'two', 'three'];
  const four = [...three, 'four'];
  const subject = (index) => `user:${index % SUBJECTS}`;
  return {
    operations: {
      one: (index) => limiter.consume('one', subject(index)),
      window: (index) => limiter.consume('window', subject(index)),
      three: (index) => limiter.consume(three, subject(index)),
      threeCalls: async (index) => {
        const decisions = await Promise.all(
          three.map((policy) => limiter.consume(policy, `${policy}:${subject(index)}`)),
        );
        return { allowed: decisions.every(({ allowed }) => allowed) };
      },
      fill: (index) => limiter.consume('one', `user:${1_000_000 + index}`),
      fillFour: (index) => limiter.consume(four, `user:${1_000_000 + index}`),
    },
    close: () => app.close(),
  };
}
