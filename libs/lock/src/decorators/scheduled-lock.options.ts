import type { Duration } from '@nuthatch/redis';
import { OptionsReader } from '@nuthatch/redis/internal';
import { LengthsReader } from '../lengths-reader.js';
import { LockCallError } from '../lock.errors.js';
import {
  isTooShort,
  LONGEST_MS,
  tooShort,
  type ResolvedAcquireOptions,
  type ResolvedLockOptions,
} from '../lock.options.js';
import { quote } from '../quote.js';

/** How long a run of a job may take, and for how long no other begins. */
export interface ScheduledLockOptions {
  /**
   * The longest that one run may take, `'365d'` at most: when it is over, the signal of its lock aborts, and others may run. It may well be long, as
   * an instance that dies frees the job within the `ttl` of the module.
   */
  readonly atMostFor: Duration;
  /**
   * For how long after the begin of a run nobody else runs, though it has ended or failed; not after one whose process has died. More than the clocks of the instances
   * differ, less than the time from one run to the next, and `atMostFor` at most. @default '0ms'
   */
  readonly atLeastFor?: Duration;
}

export interface ResolvedScheduledLock {
  readonly atMostMs: number;
  /** As it was written. */
  readonly atMostFor: string;
  readonly atLeastMs: number;
}

/** @throws LockCallError that lists every mistake at once. */
export function resolveScheduledLock(options: ScheduledLockOptions): ResolvedScheduledLock {
  const mistakes: string[] = [];
  const reader = new OptionsReader(options, 'options', mistakes);
  const lengths = new LengthsReader(reader, options, 'options', mistakes);
  const atMostMs = lengths.read('atMostFor', 0, LONGEST_MS);
  const atLeastMs = lengths.readOrZero('atLeastFor', 0, LONGEST_MS);
  reader.rejectUnknown();
  if (mistakes.length === 0 && atMostMs === 0) {
    mistakes.push("options.atMostFor is missing. Say how long one run may take at most, such as '10m'.");
  }
  if (mistakes.length === 0 && atLeastMs > atMostMs) {
    const atMost = lengths.written('atMostFor', atMostMs);
    mistakes.push(
      `${lengths.shown('atLeastFor', atLeastMs)}, more than the ${atMost} of atMostFor. Use as much or less.`,
    );
  }
  if (mistakes.length > 0) throw new LockCallError(mistakes.join(' '));
  return { atMostMs, atMostFor: lengths.written('atMostFor', atMostMs), atLeastMs };
}

/**
 * A job does not wait, and its lock is renewed as any other: who dies frees it within the `ttl` of the module, not after
 * `atMostFor`.
 *
 * @throws LockCallError when it may take less than the shortest `ttl`
 */
export function jobOptions(
  name: string,
  { atMostMs, atMostFor }: ResolvedScheduledLock,
  module: ResolvedLockOptions,
): ResolvedAcquireOptions {
  if (isTooShort(atMostMs, module.redisTimeoutMs))
    throw new LockCallError(tooShort(`options.atMostFor of job ${quote(name)} is ${atMostFor}`, module.redisTimeoutMs));
  return { ...module, waitMs: 0, ttlMs: Math.min(module.ttlMs, atMostMs), maxHoldMs: atMostMs };
}
