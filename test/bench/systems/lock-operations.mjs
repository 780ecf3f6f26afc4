import { contentionOn } from './contention.mjs';
import { freezeOf } from './freeze.mjs';

const KEYS = 5_000;
const FIRST_ID = 1_000_000;
/** So long that nobody loses a lock on a busy machine. */
export const TTL_MS = 10_000;

/**
 * What is timed of a lock, which is
 * - `acquire(key)`: waits, and resolves to a hold with `release()` (`'released'` if it was held until then), maybe its fencing
 *   `token`, and how many `refusals` there were before;
 * - `using(key, ttlMs, section)`: runs the section with a signal that tells it when the lock is lost;
 * - `remainingMs(key)`: for how long the store keeps the key for its holder.
 */
export function lockOperations(lock, { url, scenario }, prefix = '') {
  const keys = Array.from({ length: KEYS }, (_, id) => `${prefix}order:${FIRST_ID + id}`);
  const contention = contentionOn(lock.acquire, scenario, `${prefix}hot`);
  const freeze = freezeOf(lock, url, `${prefix}frozen`);
  const { notes } = scenario.freezes ? freeze : contention;
  return {
    operations: {
      pair: async (index) => {
        const hold = await lock.acquire(keys[index % KEYS]);
        return hold.release();
      },
      contend: contention.operation,
      freeze: freeze.operation,
    },
    notes: scenario.figures && notes,
  };
}
