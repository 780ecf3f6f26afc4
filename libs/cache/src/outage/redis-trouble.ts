import { Logger } from '@nestjs/common';
import { RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';

/** Tells the trouble of Redis, which a cache can do without, from other errors, which callers must see. */
export class RedisTrouble {
  readonly #logger = new Logger('Cache');
  readonly #reported = new Set<string>();

  /** An error reply (a full server, missing permissions) is trouble that lasts, so each kind is reported once. */
  isCause(error: unknown): boolean {
    if (isOutage(error)) return true;
    if (!isErrorReply(error)) return false;
    const kind = error.message.split(' ', 1)[0]!;
    this.#once(kind, `Redis refuses what the cache asks for, so it caches less or nothing: ${error.message}`);
    return true;
  }

  /** An error of work that nobody waits for. */
  report(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#once(message, `Redis could not be told yet what it has missed, so nothing is read from it: ${message}`);
  }

  #once(kind: string, message: string): void {
    if (!this.#reported.has(kind)) this.#logger.warn(message);
    this.#reported.add(kind);
  }
}

// What a server says that does not serve anybody for now.
const NOT_SERVING = /^(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|READONLY|MISCONF|NOREPLICAS)\b/;

/** Redis could not be asked, did not answer in time, or has answered that it serves nobody for now. */
export function isOutage(error: unknown): boolean {
  if (error instanceof RedisUnreachableError || error instanceof RedisTimeoutError) return true;
  return isErrorReply(error) && NOT_SERVING.test(error.message);
}

/** Redis has answered that it does not do that. */
export function isErrorReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}
