import { importFor } from '../peers.mjs';

const PERIOD_MS = 3_600_000;
const SUBJECTS = 1_000;
const LIMIT = 1_000_000_000;

/** Another limiter, in its default settings. `blocksInMemory`: answers by itself what it has denied before. */
export async function open({ url, scenario, peers, peer, blocksInMemory = false }) {
  const load = importFor.bind(undefined, peers, peer);
  const { Redis } = await load('ioredis');
  const client = new Redis(url);
  const consume = await CONSUMERS[peer](load, client, LIMIT, false);
  const consumeOne = await CONSUMERS[peer](load, client, 1, blocksInMemory);
  const denied = async () => ({ allowed: await consumeOne('hot') });
  if (scenario.denies) await denied();
  return {
    operations: {
      one: async (index) => ({ allowed: await consume(`user:${index % SUBJECTS}`) }),
      denied,
      fill: async (index) => ({ allowed: await consume(`user:${1_000_000 + index}`) }),
    },
    close: () => client.quit(),
  };
}

/** Each makes a function that charges one unit to a key, and says whether it was allowed. */
const CONSUMERS = {
  async 'rate-limiter-flexible'(load, storeClient, points, blocksInMemory) {
    const { RateLimiterRedis, RateLimiterRes } = (await load('rate-limiter-flexible')).default;
    const limiter = new RateLimiterRedis({
      storeClient,
      points,
      duration: PERIOD_MS / 1_000,
      ...(blocksInMemory && { inMemoryBlockOnConsumed: points }),
    });
    return async (key) => {
      try {
        await limiter.consume(key);
        return true;
      } catch (denial) {
        if (denial instanceof RateLimiterRes) return false;
        throw denial;
      }
    };
  },

  async '@nest-lab/throttler-storage-redis'(load, client, limit) {
    const { ThrottlerStorageRedisService } = (await load('@nest-lab/throttler-storage-redis')).default;
    const storage = new ThrottlerStorageRedisService(client);
    return async (key) => !(await storage.increment(key, PERIOD_MS, limit, PERIOD_MS, 'default')).isBlocked;
  },

  async 'rate-limit-redis'(load, client, limit) {
    const { RedisStore } = await load('rate-limit-redis');
    const store = new RedisStore({ sendCommand: (name, ...args) => client.call(name, ...args) });
    await store.init({ windowMs: PERIOD_MS });
    return async (key) => (await store.increment(key)).totalHits <= limit;
  },
};
