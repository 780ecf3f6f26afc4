import { LockCallError } from '../lock.errors.js';
import {
  resolveAcquireOptions,
  type AcquireOptions,
  type ResolvedAcquireOptions,
  type ResolvedLockOptions,
} from '../lock.options.js';

/** What a candidate may say otherwise than the module. */
export interface ElectionOptions {
  /** How long a leader leads if Redis is not heard of again; at least three times `redisTimeout`. @default that of the module */
  readonly ttl?: NonNullable<AcquireOptions['ttl']>;
  /** After how long a leader stands down and campaigns anew, at the end of the queue. @default it leads for as long as it can */
  readonly maxHold?: NonNullable<AcquireOptions['maxHold']>;
  /** For how long nobody is elected after a leader was lost instead of having resigned. @default that of the module */
  readonly lockDelay?: NonNullable<AcquireOptions['lockDelay']>;
}

// A campaign has no end, but a question to Redis should have one; who has waited for so long asks again.
const WAIT_MS = 3_600_000;

/** @throws LockCallError that lists every mistake at once */
export function resolveElectionOptions(
  options: ElectionOptions | undefined,
  module: ResolvedLockOptions,
): ResolvedAcquireOptions {
  const given: object = typeof options === 'object' && options !== null ? options : {};
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && ['wait', 'fair', 'signal'].includes(name))
      throw new LockCallError(
        `options.${name} means nothing to an election, which waits in line until close(). Leave it out.`,
      );
  }
  // That a section is stuck shows after a while; that a leader leads for long is what it is for.
  const resolved = resolveAcquireOptions(options, { ...module, maxHoldMs: Number.POSITIVE_INFINITY });
  return { ...resolved, waitMs: WAIT_MS, fair: true };
}
