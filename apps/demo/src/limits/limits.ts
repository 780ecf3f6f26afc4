import { concurrency, gcra, slidingLog, slidingWindow, type Caller, type Policy } from '@nuthatch/rate-limit';
import { accountName } from '../login/account-name.js';

// The limits of real applications, to be copied. All that apply to a request are decided at once, all or nothing.

export const LIMITS = {
  /** Of everything, by `defaults`. Who comes evenly never waits, and a page that asks for much at once may. */
  api: gcra({ limit: 100, per: '15m', by: 'ip' }),

  /**
   * Guessing passwords: one address that tries many accounts, and many addresses that try one. Only what fails counts.
   * Who goes on is blocked for half an hour, then for an hour, for two ...
   */
  auth: slidingWindow({
    limit: 5,
    per: '15m',
    by: { each: ['ip', account] },
    when: 'failures',
    block: { base: '30m', factor: 2, max: '1d' },
  }),

  /** Never more in any hour, whenever it begins. */
  payment: slidingWindow({ limit: 10, per: '1h', by: 'user' }),

  /** Twenty lines at once are fine, and then one every three seconds. */
  chat: gcra({ limit: 20, per: '1m', by: 'user' }),

  /** Slow queries, one limit for all of them. */
  search: slidingWindow({ limit: 30, per: '1m', by: 'ip' }),

  /** How many uploads, and how many of them at the same time. */
  upload: slidingWindow({ limit: 5, per: '1m', by: 'user' }),
  uploadsAtOnce: concurrency({ max: 2, by: 'user' }),

  /** Few and grave: to the microsecond, and nobody is let in while they cannot be counted. */
  biometric: slidingLog({ limit: 3, per: '5m', by: 'user', onOutage: 'closed' }),
} satisfies Record<string, Policy>;

export type LimitName = keyof typeof LIMITS;

export const LIMIT_NAMES = Object.keys(LIMITS) as LimitName[];

/** Nobody has checked the body yet. What names no account has the limit of its address only, and will be refused. */
function account({ data }: Caller): string | undefined {
  const name = (data as { readonly account?: unknown } | undefined)?.account;
  return typeof name === 'string' ? `account:${accountName(name)}` : undefined;
}
