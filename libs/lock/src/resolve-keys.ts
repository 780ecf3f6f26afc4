import { lockKey } from './lock-key.js';
import type { LockTarget } from './lock-request.js';
import { LockCallError } from './lock.errors.js';

// One script grants them all, and Redis does nothing else meanwhile.
const MOST_KEYS = 64;

/**
 * The mutexes of one call, in the order in which every process locks them: calls whose lists overlap never wait for each
 * other in a circle. A key that is given twice is locked once, as in a transfer from an account to itself.
 *
 * @throws LockCallError for no keys, more than 64, or one that {@link lockKey} refuses
 */
export function resolveKeys(root: string, keys: string | readonly string[]): LockTarget[] {
  if (typeof keys === 'string') return [targetOf(lockKey(root, keys), keys)];
  const names: readonly string[] = Array.isArray(keys) ? keys : [keys];
  if (names.length === 0) throw new LockCallError('The list of keys is empty. Give at least one key to lock.');
  if (names.length > MOST_KEYS) {
    throw new LockCallError(
      `The list has ${names.length} keys, more than ${MOST_KEYS}. Lock what they have in common by one key, or lock them in parts.`,
    );
  }
  const labels = new Map<string, string>();
  // Not forEach(), which passes over the holes of a list.
  for (const name of names) labels.set(lockKey(root, name), name);
  return [...labels].sort(([one], [other]) => (one < other ? -1 : 1)).map(([key, label]) => targetOf(key, label));
}

function targetOf(key: string, label: string): LockTarget {
  return { kind: 'lock', label, key, permits: 1, weight: 1 };
}
