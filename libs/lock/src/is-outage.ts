import { RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';

// What a server says that does not serve anybody for now, or takes no writes.
const NOT_SERVING = /^(LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|READONLY|MISCONF|NOREPLICAS|OOM)\b/;

/** Whether an error means that Redis cannot be asked for now. */
export function isOutage(error: unknown): boolean {
  if (error instanceof RedisUnreachableError || error instanceof RedisTimeoutError) return true;
  return error instanceof Error && error.name === 'ReplyError' && NOT_SERVING.test(error.message);
}

/** Whether a command certainly did nothing, as it was not sent. */
export function wasNeverSent(error: unknown): boolean {
  const isKnown = error instanceof RedisUnreachableError || error instanceof RedisTimeoutError;
  return isKnown && error.outcome === 'not-executed';
}
