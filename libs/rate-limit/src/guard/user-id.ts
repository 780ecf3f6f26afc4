import { RateLimitCallError } from '../rate-limit.errors.js';
import { propertyAt } from './property-at.js';

/** What nobody has logged in as: Passport has `false` and `null` at times. */
export function hasUser(user: unknown): boolean {
  return user !== undefined && user !== null && user !== false && user !== '';
}

/**
 * What tells a user from others: `id`, `sub` or `userId`, or the user itself where it is a string or a number.
 *
 * @throws RateLimitCallError when it has none of these
 */
export function userIdOf(user: unknown, policy: string): string {
  const id =
    typeof user === 'object' ? (propertyAt(user, 'id') ?? propertyAt(user, 'sub') ?? propertyAt(user, 'userId')) : user;
  if (typeof id === 'string' && id !== '') return id;
  if (typeof id === 'bigint' || Number.isFinite(id)) return String(id);
  const what = hasUser(user) ? `has no id that is a string or a number` : 'is not there';
  throw new RateLimitCallError(
    `The policy "${policy}" limits users, and the user of a call ${what}. It looks for id, sub and userId. ` +
      'Say who it is by a function: by: (caller) => ...',
  );
}
