// The locks for a harness that compares libraries, as peers-adapter.mjs has the cache: `adapters/lock/nuthatch.mjs` there.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { LockModule, LockService } from '@nuthatch/lock';
import { RedisModule } from '@nuthatch/redis';

export const meta = { lib: '@nuthatch/lock, default settings but for redisTimeout' };

class HarnessModule {}

export async function create({ host, port, id }) {
  const connections = { default: { mode: 'standalone', url: `redis://${host}:${port}` } };
  // More patience than by default: on a busy machine a stall is no outage.
  const imports = [RedisModule.forRoot({ namespace: id, connections }), LockModule.forRoot({ redisTimeout: '2s' })];
  const app = await NestFactory.createApplicationContext({ module: HarnessModule, imports }, { logger: false });
  const locks = app.get(LockService);
  return {
    acquire: (key, ttlMs) => locks.acquire(key, { ttl: `${ttlMs}ms` }),
    release: (lock) => lock.release(),
    close: () => app.close(),
  };
}
