import type { ChargedCall } from './charged-call.js';
import type { RateLimitDecision } from './decision.js';
import { RateLimitCallError } from './rate-limit.errors.js';

/**
 * What was taken for work whose cost or outcome is not known yet. To be ended once, by `commit` or `cancel`; what comes after
 * that does nothing. One that is never ended stays charged, and its places are kept as long as the process lives.
 */
export class Reservation {
  /** @internal Made by RateLimiter. @param call undefined where nothing was charged */
  constructor(
    readonly decision: RateLimitDecision,
    private readonly call: ChargedCall | undefined,
  ) {}

  /**
   * The work was done.
   *
   * @param actual what it has cost in truth, a whole number of 0 or more: the rest is given back, and what is missing is taken,
   *   which no limit hinders. @default what was reserved
   * @throws RateLimitCallError, RedisUnreachableError, RedisTimeoutError
   */
  async commit(actual?: number): Promise<void> {
    if (actual !== undefined && !(Number.isSafeInteger(actual) && actual >= 0)) {
      throw new RateLimitCallError(`The actual cost is ${String(actual)}. Give a whole number of 0 or more.`);
    }
    await this.call?.settle(({ capacity }, cost) => cost - Math.min(actual ?? cost, Math.max(cost, capacity)));
  }

  /** The work was not done: all is given back. @throws RedisUnreachableError, RedisTimeoutError */
  async cancel(): Promise<void> {
    await this.call?.settle((_, cost) => cost);
  }
}
