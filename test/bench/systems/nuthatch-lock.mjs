import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { LockBusyError, LockModule, LockService } from '@nuthatch/lock';
import { RedisModule } from '@nuthatch/redis';
import { lockOperations, TTL_MS } from './lock-operations.mjs';

class BenchModule {}

export async function open({ url, scenario }) {
  // More patience than by default, where Redis is not frozen: on a busy machine a stall is no outage.
  const redisTimeout = scenario.freezes ? '600ms' : '2s';
  const imports = [
    RedisModule.forRoot({ connections: { default: { mode: 'standalone', url } } }),
    LockModule.forRoot({ redisTimeout, ttl: `${TTL_MS}ms`, wait: '60s' }),
  ];
  const app = await NestFactory.createApplicationContext(
    { module: BenchModule, imports },
    { logger: scenario.freezes ? false : ['warn', 'error'] },
  );
  const locks = app.get(LockService);
  const lock = {
    acquire: (key) => locks.acquire(key),
    async using(key, ttlMs, section) {
      const held = await locks.acquire(key, { ttl: `${ttlMs}ms` });
      try {
        await section(held.signal);
      } finally {
        await held[Symbol.asyncDispose]();
      }
    },
    async remainingMs(key) {
      const busy = await locks.acquire(key, { wait: '0ms' }).catch((error) => error);
      if (busy instanceof LockBusyError) return busy.remainingMs;
      throw new Error('Somebody else was granted a lock that is held.', { cause: busy });
    },
  };
  return { ...lockOperations(lock, { url, scenario }), close: () => app.close() };
}
