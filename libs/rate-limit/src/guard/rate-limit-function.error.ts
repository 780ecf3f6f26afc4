import { NuthatchError } from '@nuthatch/redis';

/** A function of a policy has thrown. `cause` is what it threw. */
export class RateLimitFunctionError extends NuthatchError {
  constructor(policy: string, endpoint: string, cause: unknown) {
    const what = cause instanceof Error ? cause.message : `a value of type ${typeof cause}`;
    super(
      'RATE_LIMIT_FUNCTION',
      `A function of the policy "${policy}" has thrown in a call of ${endpoint}(): ${what}. It is its by or its limit, or the ` +
        'cost that @RateLimit() has. Have it answer for every caller; by may answer undefined where the policy does not apply.',
      { cause },
    );
  }
}
