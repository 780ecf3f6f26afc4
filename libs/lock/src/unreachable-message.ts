import { RedisTimeoutError } from '@nuthatch/redis';

// What Redis 7 puts behind an error of a script, and Redis 6 before it: the hash, and the line.
const IN_SCRIPT = /,? script: [0-9a-f]{40}, on @?user_script:\d+\.?$/;
const OF_SCRIPT =
  /(?:(?:ERR )?Error (?:running|compiling) script \((?:call to )?f_[0-9a-f]{40}\): )?(?:@?user_script:\d+: )+/g;

const NO_LOCK = 'Its key in Redis holds something that is no lock: find out what has written it, and delete it.';
const FIXES: readonly (readonly [RegExp, string])[] = [
  [/^WRONGTYPE\b|that is no lock|attempt to |bad argument/, NO_LOCK],
  [/^OOM\b/, 'Redis is full: raise "maxmemory", or keep locks on a server that no cache fills up.'],
  [
    /^NOPERM\b|can't run this command|has no permissions/,
    'Give the user of the connection the permissions that locks need: see "Permissions" in docs/lock.md.',
  ],
  [/^(NOAUTH|WRONGPASS)\b/, 'Look at the user and the password of the connection in RedisModule.'],
  [/^(READONLY|MISCONF|NOREPLICAS)\b/, 'It takes no writes for now: look at its log, and at its replication.'],
  [/^(LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN)\b/, 'It serves nobody for now. Try again later.'],
];

/** @param lock with its kind, as in `lock "orders:42"` */
export function unreachableMessage(lock: string, cause: unknown): string {
  if (cause instanceof RedisTimeoutError) {
    // It names "commandTimeout", which decides nothing here.
    return (
      `Redis connection "${cause.connection}" did not answer about ${lock} within ${cause.timeoutMs}ms. ` +
      'Raise "redisTimeout" of LockModule, or look at the slowlog of the server.'
    );
  }
  if (cause instanceof Error && cause.name === 'ReplyError') {
    const answer = cause.message.replace(IN_SCRIPT, '').replaceAll(OF_SCRIPT, '');
    const fix = FIXES.find(([pattern]) => pattern.test(answer))?.[1] ?? 'See the cause.';
    return `Redis refused what was asked about ${lock}: ${answer.replace(/\.?$/, '.')} ${fix}`;
  }
  return `Redis could not be asked about ${lock}: ${cause instanceof Error ? cause.message : String(cause)}`;
}
