import type { Duration } from '@nuthatch/redis';
import { OptionsReader } from '@nuthatch/redis/internal';
import { LockCallError } from '../lock.errors.js';
import { TIMEOUTS_PER_TTL, type ResolvedAcquireOptions, type ResolvedLockOptions } from '../lock.options.js';

export interface ScheduledLockOptions {
  /**
   * The longest that one run may take: when it is over, the signal of its lock aborts, and others may run. It may well be long, as
   * an instance that dies frees the job within the `ttl` of the module.
   */
  readonly atMostFor: Duration;
  /**
   * For how long after the begin of a run nobody else runs, though it has ended or failed; not after one whose process has died. More than the clocks of the instances
   * differ, and less than the time from one run to the next. @default '0ms'
   */
  readonly atLeastFor?: Duration;
}

export interface ResolvedScheduledLock {
  readonly atMostMs: number;
  readonly atLeastMs: number;
}

/** @throws LockCallError that lists every mistake at once. */
export function resolveScheduledLock(options: ScheduledLockOptions): ResolvedScheduledLock {
  const mistakes: string[] = [];
  const reader = new OptionsReader(options, 'options', mistakes);
  const atMostMs = reader.optionalDuration('atMostFor', undefined);
  const atLeastMs = reader.durationOrZero('atLeastFor', 0);
  reader.rejectUnknown();
  if (mistakes.length === 0 && atMostMs === undefined) {
    mistakes.push("options.atMostFor is missing. Say how long one run may take at most, such as '10m'.");
  }
  if (mistakes.length === 0 && atMostMs !== undefined && atLeastMs > atMostMs) {
    mistakes.push(
      `options.atLeastFor is '${atLeastMs}ms', more than the '${atMostMs}ms' of atMostFor. Use as much or less.`,
    );
  }
  if (atMostMs === undefined || mistakes.length > 0) throw new LockCallError(mistakes.join(' '));
  return { atMostMs, atLeastMs };
}

/**
 * A job does not wait, and its lock is renewed as any other: who dies frees it within the `ttl` of the module, not after
 * `atMostFor`.
 *
 * @throws LockCallError when it may take less than the shortest `ttl`
 */
export function jobOptions(
  name: string,
  { atMostMs }: ResolvedScheduledLock,
  module: ResolvedLockOptions,
): ResolvedAcquireOptions {
  const least = TIMEOUTS_PER_TTL * module.redisTimeoutMs;
  if (atMostMs < least) {
    throw new LockCallError(
      `options.atMostFor of job ${JSON.stringify(name)} is '${atMostMs}ms', less than ${TIMEOUTS_PER_TTL} times "redisTimeout" ` +
        `(${module.redisTimeoutMs}ms). Use '${least}ms' or more, or lower "redisTimeout" of LockModule.`,
    );
  }
  return { ...module, waitMs: 0, ttlMs: Math.min(module.ttlMs, atMostMs), maxHoldMs: atMostMs };
}
