import { importFor } from '../peers.mjs';
import { lockOperations, TTL_MS } from './lock-operations.mjs';

const MOST_REFUSALS = 20_000;

/** Another lock, in its default settings. One that gives up is asked again at once. */
export async function open({ url, scenario, peers, peer }) {
  const load = importFor.bind(undefined, peers, peer);
  const { Redis } = await load('ioredis');
  const client = new Redis(url);
  const { take, using, keyOf = (key) => key } = await OPENERS[peer](load, client);
  const lock = {
    async acquire(key) {
      for (let refusals = 0; ; refusals++) {
        try {
          return { release: await take(key, TTL_MS), refusals };
        } catch (error) {
          if (refusals === MOST_REFUSALS) throw error;
        }
      }
    },
    using,
    remainingMs: (key) => client.pttl(keyOf(key)),
  };
  return { ...lockOperations(lock, { url, scenario }, `${peer}:`), close: () => client.quit() };
}

/** Of each `take`, which resolves to what releases, and `using` as systems/lock-operations.mjs has it. */
const OPENERS = {
  async redlock(load, client) {
    return redlock((await load('redlock')).default.default, client);
  },

  async '@sesamecare-oss/redlock'(load, client) {
    return redlock((await load('@sesamecare-oss/redlock')).default.Redlock, client);
  },

  async 'redis-semaphore'(load, client) {
    const { Mutex } = (await load('redis-semaphore')).default;
    const release = async (mutex) => {
      await mutex.release();
      return 'released';
    };
    return {
      async take(key, lockTimeout) {
        const mutex = new Mutex(client, key, { lockTimeout });
        await mutex.acquire();
        return () => release(mutex);
      },
      async using(key, lockTimeout, section) {
        const lost = new AbortController();
        const mutex = new Mutex(client, key, { lockTimeout, onLockLost: () => lost.abort() });
        await mutex.acquire();
        await section(lost.signal);
        await mutex.release();
      },
      keyOf: (key) => `mutex:${key}`,
    };
  },

  async 'redlock-universal'(load, client) {
    const { createLock, IoredisAdapter } = (await load('redlock-universal')).default;
    const adapter = new IoredisAdapter(client);
    return {
      async take(key, ttl) {
        const lock = createLock({ adapter, key, ttl });
        const handle = await lock.acquire();
        return async () => ((await lock.release(handle)) ? 'released' : 'expired');
      },
      using: (key, ttl, section) => createLock({ adapter, key, ttl }).using(section),
    };
  },
};

/** Both have the same interface. */
function redlock(Redlock, client) {
  const locks = new Redlock([client]);
  return {
    async take(key, ttlMs) {
      const lock = await locks.acquire([key], ttlMs);
      return async () => {
        await lock.release();
        return 'released';
      };
    },
    using: (key, ttlMs, section) => locks.using([key], ttlMs, section),
  };
}
