import 'reflect-metadata';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import { Cacheable, CacheModule, CacheService } from '@nuthatch/cache';
import { RedisModule } from '@nuthatch/redis';
import { countingLoader, stampedeOn } from './loads.mjs';
import { dataOf, FIRST_ID, keyOf, storeAll, tagsOf } from './records.mjs';

const READ_AT_ONCE = 50;
const SETTLED_WITHIN_MS = 60_000;

class BenchModule {}

/**
 * @param local the tier in process: `undefined` for the default, `false` for none
 * @param namespace one of its own for who would else hear of the changes of another contender
 */
export async function open({ url, name, scenario, embedded = false, local, tagged = false, namespace = 'app' }) {
  const { keys, records, ring, order, mask } = dataOf(scenario);
  const { load, loads } = countingLoader(records[0]);
  const Methods = cachedMethods(load);
  const connection = embedded ? { mode: 'embedded' } : { mode: 'standalone', url };
  const imports = [
    RedisModule.forRoot({ namespace, connections: { default: connection } }),
    // More patience than by default: on a busy machine a stall is no outage.
    CacheModule.forRoot({ redisTimeout: '2s', ...(local === undefined ? {} : { local }) }),
  ];
  const app = await NestFactory.createApplicationContext(
    { module: BenchModule, imports, providers: [Methods] },
    { logger: ['warn', 'error'] },
  );
  const cache = app.get(CacheService);
  const methods = app.get(Methods);
  const stampede = stampedeOn(name, (key) => cache.getOrSet(key, load));

  if (scenario.stores !== false) {
    await storeAll(keys, (key, id) => cache.set(key, records[id], tagged ? { tags: tagsOf(id) } : undefined));
  }
  if (scenario.held) await bringIn(cache, keys);
  if (scenario.proves) await scenario.proves(cache);
  return {
    operations: {
      get: (index) => cache.get(ring[index & mask]),
      getOrSet: (index) => cache.getOrSet(ring[index & mask], load),
      getOrSetWithTtl: (index) => cache.getOrSet(ring[index & mask], load, { ttl: '5m' }),
      byText: (index) => methods.byText(ring[index & mask]),
      byList: (index) => methods.byList(order[index & mask]),
      set: (index) => cache.set(ring[index & mask], records[order[index & mask]]),
      setTagged: (index) => {
        const id = order[index & mask];
        return cache.set(ring[index & mask], records[id], { tags: tagsOf(id) });
      },
      fill: (index) => cache.set(`${keyOf(index)}:fill`, records[index % records.length]),
      invalidateTag: () => cache.invalidateTags('everything'),
      stampede: stampede.operation,
    },
    beforeRound: stampede.beforeRound,
    loads: scenario.countsLoads ? loads : undefined,
    close: () => app.close(),
  };
}

/** What stands in Redis is brought into the process, until every key is a hit there. */
async function bringIn(cache, keys) {
  const giveUpAt = Date.now() + SETTLED_WITHIN_MS;
  for (;;) {
    const before = cache.stats().localHits;
    for (let at = 0; at < keys.length; at += READ_AT_ONCE) {
      await cache.getMany(keys.slice(at, at + READ_AT_ONCE));
      // Hits in process resolve without a turn of the event loop, on which the link to Redis depends.
      await nextTurn();
    }
    const held = cache.stats().localHits - before;
    if (held === keys.length) return;
    if (Date.now() > giveUpAt) throw new Error(`Only ${held} of ${keys.length} entries are held in process.`);
    await sleep(20);
  }
}

/** A provider with decorated methods; this file is JavaScript, so the decorators are applied by hand. */
function cachedMethods(load) {
  class Methods {
    async byText(_key) {
      return load();
    }

    async byList(_id) {
      return load();
    }
  }
  decorate(Methods, 'byText', Cacheable({ key: (key) => key }));
  decorate(Methods, 'byList', Cacheable({ key: (id) => ['user', 'profile', FIRST_ID + id] }));
  return Methods;
}

function decorate(type, name, decorator) {
  const descriptor = Object.getOwnPropertyDescriptor(type.prototype, name);
  decorator(type.prototype, name, descriptor);
  Object.defineProperty(type.prototype, name, descriptor);
}
