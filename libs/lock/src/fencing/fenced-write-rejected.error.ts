import { NuthatchError } from '@nuthatch/redis';
import { quote } from '../quote.js';

/** What is known of a write that was refused. */
export interface FencedWriteRejection {
  /** The key of the lock. */
  readonly key: string;
  /** The fencing token of the lock. */
  readonly token: bigint;
  /** The token that has been there since; undefined where only the count of rows tells that there is one. */
  readonly highest?: bigint;
  /** What was written to, or read for writing. */
  readonly target: string;
}

/** A later holder of the lock has been there before: nothing was written. The work has to begin anew, with a new lock. */
export class FencedWriteRejectedError extends NuthatchError {
  /** The key of the lock. */
  readonly key: string;
  /** The fencing token of the lock. */
  readonly token: bigint;
  /** The token that has been there since; undefined where only the count of rows tells that there is one. */
  readonly highest: bigint | undefined;
  /** What was written to, or read for writing. */
  readonly target: string;

  constructor({ key, token, highest, target }: FencedWriteRejection) {
    super(
      'LOCK_FENCED',
      `${target} refused token ${token} of lock ${quote(key)}: ${
        highest === undefined
          ? 'no row was changed, so a later token has written it, or it is not there'
          : `token ${highest} of a later holder has been there`
      }. Acquire the lock again, read again, and then write.`,
    );
    this.key = key;
    this.token = token;
    this.highest = highest;
    this.target = target;
  }
}
