// The cache for a harness that compares libraries: one file per area there, such as `adapters/cache-l1/nuthatch.mjs`, which
// says `export { create, meta } from '<this repository>/test/bench/peers-adapter.mjs'`. Needs the built packages.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { CacheModule, CacheService } from '@nuthatch/cache';
import { RedisModule } from '@nuthatch/redis';

export const meta = { lib: '@nuthatch/cache, default settings but for redisTimeout' };

class HarnessModule {}

/** @param tier `'two'`: with the tier in process; `'redis'`: without */
export async function create({ host, port, id, tier }) {
  const connections = { default: { mode: 'standalone', url: `redis://${host}:${port}` } };
  // More patience than by default: on a busy machine a stall is no outage.
  const options = { ttl: '10m', redisTimeout: '2s', ...(tier === 'redis' && { local: false }) };
  const imports = [RedisModule.forRoot({ namespace: id, connections }), CacheModule.forRoot(options)];
  const app = await NestFactory.createApplicationContext({ module: HarnessModule, imports }, { logger: false });
  const cache = app.get(CacheService);
  const get = (key) => cache.get(key);
  return {
    put: (key, value) => cache.set(key, value),
    get,
    getOrSet: (key, load) => cache.getOrSet(key, load),
    set: (key, value, ms) => cache.set(key, value, { ttl: `${ms}ms` }),
    setTagged: (key, value, ms, tags) => cache.set(key, value, { ttl: `${ms}ms`, tags }),
    getTagged: get,
    invalidateTag: (tag) => cache.invalidateTags(tag),
    close: () => app.close(),
  };
}
