// A process that limits, for specs: told by messages what to consume, answers with how much of it was allowed.
import '../harness/shifted-clock.js';
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { RateLimiter, RateLimitModule, type RateLimitModuleOptions } from '@nuthatch/rate-limit';
import { RedisModule, type RedisConnectionOptions } from '@nuthatch/redis';

interface Task {
  readonly policy: string;
  readonly subject: string;
  readonly calls: number;
}

class Worker {}

const [connection, options] = JSON.parse(process.argv[2]!) as [RedisConnectionOptions, RateLimitModuleOptions];
const imports = [RedisModule.forRoot({ connections: { default: connection } }), RateLimitModule.forRoot(options)];
const app = await NestFactory.createApplicationContext({ module: Worker, imports }, { logger: false });
const limiter = app.get(RateLimiter);

process.on('message', ({ policy, subject, calls }: Task) => void consume(policy, subject, calls));
process.on('disconnect', () => process.exit());
process.send!('ready');

async function consume(policy: string, subject: string, calls: number): Promise<void> {
  let [allowed, alone] = [0, 0];
  const caller = async (share: number): Promise<void> => {
    for (let call = 0; call < share; call++) {
      const decision = await limiter.consume(policy, subject);
      if (decision.allowed) allowed += 1;
      if (!decision.shared) alone += 1;
    }
  };
  await Promise.all(Array.from({ length: 50 }, () => caller(calls / 50)));
  process.send!({ allowed, alone });
}
