import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';

const TTL_MS = 2_000;
const FROZEN_AFTER_MS = 700;
const THAWED_AFTER_MS = 7_000;
/** Who has not learnt it by then counts as if it did then. */
const WAITED_MS = 15_000;
const ATTEMPTS = 150;

/** Freezes Redis while a lock is held, and notes how long after the end of its validity the holder hears of that. */
export function freezeOf({ acquire, using, remainingMs }, url, key) {
  let noted = [];
  const freezeWhileHeld = async (pid, signal) => {
    await sleep(FROZEN_AFTER_MS);
    if (signal.aborted) throw new Error('The lock was lost before Redis was frozen.');
    const lost = once(signal, 'abort', { signal: AbortSignal.timeout(WAITED_MS) });
    const askedAt = performance.now();
    const validUntil = askedAt + (await remainingMs(key));
    process.kill(pid, 'SIGSTOP');
    const thaw = setTimeout(() => process.kill(pid, 'SIGCONT'), THAWED_AFTER_MS);
    await lost.catch(() => 'it was waited long enough');
    noted = [{ lateMs: performance.now() - validUntil }];
    clearTimeout(thaw);
    process.kill(pid, 'SIGCONT');
  };
  return {
    operation: async () => {
      noted = [];
      const pid = await processAt(url);
      await untilUsable(() => acquire(key));
      // To release what is lost may fail.
      await using(key, TTL_MS, (signal) => freezeWhileHeld(pid, signal)).catch((error) => {
        if (noted.length === 0) throw error;
      });
      return noted.length;
    },
    notes: () => noted,
  };
}

async function processAt(url) {
  const client = new Redis(url);
  const info = await client.info('server');
  client.disconnect();
  return Number(/process_id:(\d+)/.exec(info)[1]);
}

/** Redis was frozen for others until a moment ago, and connections may have been given up. */
async function untilUsable(acquire) {
  for (let attempt = 1; ; attempt++) {
    try {
      const hold = await acquire();
      return await hold.release();
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await sleep(100);
    }
  }
}
