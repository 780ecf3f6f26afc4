import { NuthatchError } from '@nuthatch/redis';

/** The options of the module or of a call are wrong; `mistakes` lists every one of them. */
export class RateLimitOptionsError extends NuthatchError {
  constructor(readonly mistakes: readonly string[]) {
    super(
      'RATE_LIMIT_OPTIONS',
      `RateLimitModule has wrong options:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`,
    );
  }
}

/** A call asks for what cannot be: an unknown policy, no subject, a wrong cost, limit, note or number. */
export class RateLimitCallError extends NuthatchError {
  constructor(message: string) {
    super('RATE_LIMIT_CALL', message);
  }
}

/** A call costs more than its policy could ever give: it would be denied for ever, so it is no matter of waiting. */
export class RateLimitCostError extends NuthatchError {
  constructor(
    readonly policy: string,
    readonly cost: number,
    readonly capacity: number,
  ) {
    super(
      'RATE_LIMIT_COST',
      `A call costs ${cost}, and the policy "${policy}" never gives more than ${capacity} at once, so it can never succeed. ` +
        'Split the call, or raise the burst or the limit.',
    );
  }
}
