import { NuthatchError } from '@nuthatch/redis';
import { MOST_OVERRIDES } from './override-store.js';

/** There are as many overrides as there may be, so that there can be no more of single subjects. */
export class LimitOverridesFullError extends NuthatchError {
  constructor(
    readonly policy: string,
    readonly subject: string,
  ) {
    super(
      'RATE_LIMIT_OVERRIDES_FULL',
      `The limit of the policy "${policy}" was not overridden for a subject: there are ${MOST_OVERRIDES} overrides ` +
        'already. Take some away, or give such subjects a limit by a function of the caller.',
    );
  }
}
