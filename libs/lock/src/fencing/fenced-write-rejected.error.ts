import { NuthatchError } from '@nuthatch/redis';

export interface FencedWriteRejection {
  /** The key of the lock. */
  readonly key: string;
  /** Of the lock. */
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
  readonly token: bigint;
  /** The token that has been there since; undefined where only the count of rows tells that there is one. */
  readonly highest: bigint | undefined;
  readonly target: string;

  constructor({ key, token, highest, target }: FencedWriteRejection) {
    super(
      'LOCK_FENCED',
      `${target} refused token ${token} of lock ${shorten(key)}: ${
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

function shorten(key: string): string {
  return JSON.stringify(key.length > 100 ? `${key.slice(0, 100)}...` : key);
}
