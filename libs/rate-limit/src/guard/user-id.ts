import { RateLimitCallError } from '../rate-limit.errors.js';
import { propertyAt } from './property-at.js';

/** What nobody has logged in as: Passport has `false` and `null` at times. */
export function hasUser(user: unknown): boolean {
  return user !== undefined && user !== null && user !== false && user !== '';
}

const NAMES = ['id', '_id', 'sub', 'userId'] as const;

/**
 * What tells a user from others: the first of `id`, `_id`, `sub` and `userId` that is a string or a number, or the user itself
 * where it is one.
 *
 * @throws RateLimitCallError when it has none of these
 */
export function userIdOf(user: unknown, policy: string): string {
  const candidates = typeof user === 'object' ? NAMES.map((name) => propertyAt(user, name)) : [user];
  const id = candidates.map(textOf).find((text) => text !== undefined);
  if (id !== undefined) return id;
  const what = hasUser(user) ? `has no id that is a string or a number` : 'is not there';
  throw new RateLimitCallError(
    `The policy "${policy}" limits users, and the user of a call ${what}. It looks for ${NAMES.join(', ')}. ` +
      'Say who it is by a function: by: (caller) => ...',
  );
}

/** Undefined for what names nobody, such as an empty string. */
function textOf(id: unknown): string | undefined {
  if (typeof id === 'string' && id !== '') return id;
  if (typeof id === 'bigint' || Number.isFinite(id)) return String(id);
  // An ObjectId of MongoDB.
  const toHex = propertyAt(id, 'toHexString');
  return typeof toHex === 'function' ? String(toHex.call(id)) : undefined;
}
