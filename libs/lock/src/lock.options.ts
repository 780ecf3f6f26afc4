import type { Duration } from '@nuthatch/redis';
import { OptionsReader } from '@nuthatch/redis/internal';
import { LockCallError, LockOptionsError } from './lock.errors.js';

export interface LockModuleOptions {
  /** The name of the connection of RedisModule that holds the locks. @default 'default' */
  connection?: string;
  /** How long a lock is valid if Redis is not heard of again; it is renewed all the while. At least three times `redisTimeout`. @default '30s' */
  ttl?: Duration;
  /** How long to wait for a lock that is taken; `'0ms'`: not at all. @default '10s' */
  wait?: Duration;
  /** For how long a lock is renewed: a section that is stuck must not hold it for ever. @default '1h' */
  maxHold?: Duration;
  /** For how long nobody else is granted a lock whose holder let it expire: time for what it had begun to end. @default '0ms' */
  lockDelay?: Duration;
  /** A grant counts when so many replicas have it, and is given back when they do not within the time. @default none are asked */
  replicas?: ReplicasOptions;
  /** How long one question to Redis may take. @default '1s' */
  redisTimeout?: Duration;
  /** Whether LockService is visible in every module. @default true */
  isGlobal?: boolean;
}

export interface ReplicasOptions {
  readonly min: number;
  /** @default '200ms' */
  readonly timeout?: Duration;
}

/** What a call may say otherwise than the module. */
export interface AcquireOptions {
  /** How long to wait for a lock that is taken; `'0ms'`: not at all. @default that of the module */
  readonly wait?: Duration;
  /** How long the lock is valid if Redis is not heard of again. @default that of the module */
  readonly ttl?: Duration;
  /** For how long the lock is renewed. @default that of the module */
  readonly maxHold?: Duration;
  /** For how long nobody else is granted the lock when it has expired instead of being released. @default that of the module */
  readonly lockDelay?: Duration;
  /**
   * Whether all wait in one line. `false`: a release gives the lock to a caller of the same process that waits for it, if there
   * is one, before those of others. That takes one round trip and no message, but others may wait for as long as this process asks.
   * @default true
   */
  readonly fair?: boolean;
  /** Ends the wait; it does not end a lock that is held. */
  readonly signal?: AbortSignal;
}

export interface ResolvedLockOptions extends ResolvedAcquireOptions {
  readonly connection: string;
  readonly replicas: ReplicasTerms | undefined;
  readonly redisTimeoutMs: number;
}

export interface ReplicasTerms {
  readonly min: number;
  readonly timeoutMs: number;
}

export interface ResolvedAcquireOptions {
  readonly waitMs: number;
  readonly ttlMs: number;
  readonly maxHoldMs: number;
  readonly delayMs: number;
  readonly fair: boolean;
  readonly signal: AbortSignal | undefined;
}

/** So many round trips must fit into the time that a lock is valid, so that one that is lost does not end it. */
export const TIMEOUTS_PER_TTL = 3;

/**
 * Checks the options and fills the defaults.
 *
 * @throws LockOptionsError that lists every mistake at once.
 */
export function resolveLockOptions(options: LockModuleOptions): ResolvedLockOptions {
  const mistakes: string[] = [];
  const reader = new OptionsReader(options, 'options', mistakes);
  reader.ignore('isGlobal');
  const resolved: ResolvedLockOptions = {
    connection: reader.matching('connection', /^[\w.-]{1,64}$/, 'the name of a connection of RedisModule', 'default'),
    redisTimeoutMs: reader.duration('redisTimeout', '1s'),
    replicas: readReplicas(reader, options, mistakes),
    ttlMs: reader.duration('ttl', '30s'),
    waitMs: reader.durationOrZero('wait', 10_000),
    maxHoldMs: reader.duration('maxHold', '1h'),
    delayMs: reader.durationOrZero('lockDelay', 0),
    fair: true,
    signal: undefined,
  };
  reader.rejectUnknown();
  mistakes.push(...timingMistakes('options', resolved, resolved.redisTimeoutMs));
  if (mistakes.length > 0) throw new LockOptionsError(mistakes);
  return resolved;
}

/**
 * Checks what a call says, and fills in what the module says.
 *
 * @throws LockCallError that lists every mistake at once.
 */
export function resolveAcquireOptions(
  options: AcquireOptions | undefined,
  module: ResolvedLockOptions,
): ResolvedAcquireOptions {
  if (options === undefined) return module;
  const mistakes: string[] = [];
  const reader = new OptionsReader(options, 'options', mistakes);
  reader.ignore('signal');
  const resolved: ResolvedAcquireOptions = {
    waitMs: reader.durationOrZero('wait', module.waitMs),
    ttlMs: reader.optionalDuration('ttl', module.ttlMs),
    maxHoldMs: reader.optionalDuration('maxHold', module.maxHoldMs),
    delayMs: reader.durationOrZero('lockDelay', module.delayMs),
    fair: reader.boolean('fair', true),
    signal: readSignal(options, mistakes),
  };
  reader.rejectUnknown();
  mistakes.push(...timingMistakes('options', resolved, module.redisTimeoutMs));
  if (mistakes.length > 0) throw new LockCallError(mistakes.join(' '));
  return resolved;
}

/** Also for decorators, before there is a module. @throws LockCallError */
export function leastTtlMistake(path: string, ttlMs: number, redisTimeoutMs: number): string | undefined {
  const least = TIMEOUTS_PER_TTL * redisTimeoutMs;
  if (ttlMs >= least) return undefined;
  return (
    `${path}.ttl is '${ttlMs}ms', less than ${TIMEOUTS_PER_TTL} times "redisTimeout" (${redisTimeoutMs}ms): one slow answer of Redis ` +
    `would end the lock. Use '${least}ms' or more, or lower "redisTimeout" of LockModule.`
  );
}

function timingMistakes(path: string, { ttlMs, maxHoldMs }: ResolvedAcquireOptions, redisTimeoutMs: number): string[] {
  const mistakes: string[] = [];
  const tooShort = leastTtlMistake(path, ttlMs, redisTimeoutMs);
  if (tooShort !== undefined) mistakes.push(tooShort);
  if (maxHoldMs < ttlMs)
    mistakes.push(
      `${path}.maxHold is '${maxHoldMs}ms', less than the ttl of ${ttlMs}ms. Use as much or more, or lower "ttl".`,
    );
  return mistakes;
}

function readReplicas(
  reader: OptionsReader,
  options: LockModuleOptions,
  mistakes: string[],
): ResolvedLockOptions['replicas'] {
  reader.ignore('replicas');
  if (typeof options !== 'object' || options === null || options.replicas === undefined) return undefined;
  const replicas = new OptionsReader(options.replicas, 'options.replicas', mistakes);
  const resolved = { min: replicas.integer('min', 1, 1), timeoutMs: replicas.duration('timeout', '200ms') };
  replicas.rejectUnknown();
  return resolved;
}

function readSignal(options: AcquireOptions, mistakes: string[]): AbortSignal | undefined {
  const signal: unknown = typeof options === 'object' && options !== null ? options.signal : undefined;
  if (signal === undefined || signal instanceof AbortSignal) return signal;
  mistakes.push('options.signal is no AbortSignal. Give that of an AbortController, or AbortSignal.timeout(ms).');
  return undefined;
}
