import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { lockOperations, TTL_MS } from './lock-operations.mjs';

const POLL_MS = 10;
const RELEASE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`;
const RENEW = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0`;

/** The least that a lock on Redis can be: a key that expires, deleted by who has set it. Who waits asks again and again. */
export async function open({ url, scenario }) {
  const client = new Redis(url);
  client.defineCommand('releaseLock', { numberOfKeys: 1, lua: RELEASE });
  client.defineCommand('renewLock', { numberOfKeys: 1, lua: RENEW });
  let count = 0;

  const take = async (key, ttlMs) => {
    const owner = `${process.pid}:${count++}`;
    while ((await client.set(key, owner, 'PX', ttlMs, 'NX')) !== 'OK') await sleep(POLL_MS);
    return owner;
  };
  const release = async (key, owner) => ((await client.releaseLock(key, owner)) === 1 ? 'released' : 'expired');
  const lock = {
    async acquire(key) {
      const owner = await take(key, TTL_MS);
      return { release: () => release(key, owner) };
    },
    async using(key, ttlMs, section) {
      const owner = await take(key, ttlMs);
      const lost = new AbortController();
      const timer = setInterval(async () => {
        const renewed = await client.renewLock(key, owner, ttlMs).catch(() => 0);
        if (renewed !== 1) lost.abort();
      }, ttlMs / 3);
      await section(lost.signal);
      clearInterval(timer);
      await release(key, owner);
    },
    remainingMs: (key) => client.pttl(key),
  };
  return { ...lockOperations(lock, { url, scenario }), close: () => client.quit() };
}
