import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { gcra, RateLimiter, RateLimitModule, slidingWindow } from '@nuthatch/rate-limit';
import { RedisModule } from '@nuthatch/redis';

const SUBJECTS = 1_000;
const LIMIT = 1_000_000_000;
// So long that what a call has taken is not given back before its subject comes again: else its state is gone by then, and
// neither the time nor the memory would be that of a limit in use.
const LONGEST_PER = '1825d';

class BenchModule {}

export async function open({ url, scenario }) {
  const policies = {
    one: gcra({ limit: LIMIT, per: LONGEST_PER }),
    two: gcra({ limit: LIMIT / 2, per: LONGEST_PER }),
    three: gcra({ limit: LIMIT / 4, per: LONGEST_PER }),
    window: slidingWindow({ limit: LIMIT, per: '1h' }),
    // What is in use where subjects come once: their state lasts for minutes.
    hourly: gcra({ limit: 10, per: '1h' }),
    often: gcra({ limit: 20, per: '2h' }),
    daily: gcra({ limit: 100, per: '1d' }),
    weekly: gcra({ limit: 500, per: '7d' }),
    hot: gcra({ limit: 1, per: '1h' }),
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
  const four = ['hourly', 'often', 'daily', 'weekly'];
  const subject = (index) => `user:${index % SUBJECTS}`;
  const denied = () => limiter.consume('hot', 'hot');
  if (scenario.denies) await denied();
  return {
    operations: {
      one: (index) => limiter.consume('one', subject(index)),
      // Others than those of `one`: what a subject has left under one policy would be carried along by the other.
      window: (index) => limiter.consume('window', `host:${index % SUBJECTS}`),
      three: (index) => limiter.consume(three, subject(index)),
      threeCalls: async (index) => {
        const decisions = await Promise.all(
          three.map((policy) => limiter.consume(policy, `${policy}:${subject(index)}`)),
        );
        return { allowed: decisions.every(({ allowed }) => allowed) };
      },
      denied,
      fill: (index) => limiter.consume('hourly', `user:${1_000_000 + index}`),
      fillFour: (index) => limiter.consume(four, `user:${1_000_000 + index}`),
    },
    close: () => app.close(),
  };
}
