import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { CacheModule, CacheService } from '@nuthatch/cache';
import { RedisModule } from '@nuthatch/redis';
import { countingLoader, stampede } from './loads.mjs';
import { KEYS, makeRecords } from './records.mjs';

class BenchModule {}

export async function open({ url, scenario, embedded = false }) {
  const connection = embedded ? { mode: 'embedded' } : { mode: 'standalone', url };
  const imports = [RedisModule.forRoot({ connections: { default: connection } }), CacheModule.forRoot()];
  const app = await NestFactory.createApplicationContext(
    { module: BenchModule, imports },
    { logger: ['warn', 'error'] },
  );
  const cache = app.get(CacheService);
  const records = makeRecords(scenario.bytes);
  const { load, loads } = countingLoader(records[0]);

  await Promise.all(KEYS.map((key, index) => cache.set(key, records[index])));
  return {
    operations: {
      get: (index) => cache.get(KEYS[index % KEYS.length]),
      getOrSet: (index) => cache.getOrSet(KEYS[index % KEYS.length], load),
      set: (index) => cache.set(KEYS[index % KEYS.length], records[index % KEYS.length]),
      stampede: async () => {
        await cache.delete('cold');
        return stampede(() => cache.getOrSet('cold', load));
      },
    },
    loads: scenario.countsLoads ? loads : undefined,
    close: () => app.close(),
  };
}
