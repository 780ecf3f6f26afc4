import { importFor } from '../peers.mjs';
import { countingLoader, stampedeOn } from './loads.mjs';
import { dataOf, keyOf, storeAll, tagsOf } from './records.mjs';

const TTL = '10m';
const TTL_MS = 600_000;
const MOST_LOCAL = 50_000;

/** Another cache, in its default settings. `local`: with its tier in memory. */
export async function open({ url, name, scenario, peers, peer, local = false, tagged = false }) {
  const cache = await OPENERS[peer](importFor.bind(undefined, peers, peer), url, local, tagged);
  const { keys, records, ring, order, mask } = dataOf(scenario, `${peer}:`);
  const { load, loads } = countingLoader(records[0]);
  const stampede = stampedeOn(name, (key) => cache.getOrSet(key, load));
  const store = (key, id) => (tagged ? cache.setTagged(key, records[id], tagsOf(id)) : cache.set(key, records[id]));

  if (scenario.stores !== false) await storeAll(keys, store);
  for (const key of keys) await cache.get(key);
  return {
    operations: {
      get: (index) => cache.get(ring[index & mask]),
      getOrSet: (index) => cache.getOrSet(ring[index & mask], load),
      set: (index) => store(ring[index & mask], order[index & mask]),
      fill: (index) => cache.set(`${keyOf(index)}:fill`, records[index % records.length]),
      stampede: stampede.operation,
    },
    beforeRound: stampede.beforeRound,
    loads: scenario.countsLoads ? loads : undefined,
    close: () => cache.close(),
  };
}

const OPENERS = {
  async bentocache(load, url, local) {
    const { BentoCache, bentostore } = await load('bentocache');
    const { redisDriver } = await load('bentocache/drivers/redis');
    const { memoryDriver } = await load('bentocache/drivers/memory');
    const { Redis } = await load('ioredis');
    const connection = new Redis(url);
    const tiers = local ? bentostore().useL1Layer(memoryDriver({ maxItems: MOST_LOCAL })) : bentostore();
    const stores = { only: tiers.useL2Layer(redisDriver({ connection })) };
    const cache = new BentoCache({ default: 'only', ttl: TTL, stores });
    return {
      get: (key) => cache.get({ key }),
      getOrSet: (key, factory) => cache.getOrSet({ key, factory }),
      set: (key, value) => cache.set({ key, value }),
      setTagged: (key, value, tags) => cache.set({ key, value, tags }),
      close: () => cache.disconnectAll(),
    };
  },

  async cacheable(load, url, local, tags) {
    const { Cacheable } = await load('cacheable');
    const { createKeyv } = await load('@keyv/redis');
    const redis = createKeyv(url);
    const cache = new Cacheable({ ...(local ? { secondary: redis } : { primary: redis }), ttl: TTL, tags });
    return {
      get: (key) => cache.get(key),
      getOrSet: (key, factory) => cache.getOrSet(key, factory),
      set: (key, value) => cache.set(key, value),
      setTagged: (key, value, tagList) => cache.set(key, value, { tags: tagList }),
      close: () => cache.disconnect(),
    };
  },

  async 'cache-manager'(load, url, local) {
    const { createCache } = await load('cache-manager');
    const { createKeyv: createMemory } = await load('cacheable');
    const { createKeyv } = await load('@keyv/redis');
    const memory = local ? [createMemory({ ttl: TTL_MS, lruSize: MOST_LOCAL })] : [];
    const cache = createCache({ ttl: TTL_MS, stores: [...memory, createKeyv(url)] });
    return {
      get: (key) => cache.get(key),
      getOrSet: (key, factory) => cache.wrap(key, factory),
      set: (key, value) => cache.set(key, value),
      close: () => cache.disconnect(),
    };
  },
};
