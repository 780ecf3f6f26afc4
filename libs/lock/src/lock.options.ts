import type { Duration } from '@nuthatch/redis';
import { OptionsReader, parseDuration } from '@nuthatch/redis/internal';
import { LengthsReader, shownLength, tooLong } from './lengths-reader.js';
import { LockCallError, LockOptionsError } from './lock.errors.js';

/** What `LockModule.forRoot()` takes; all may be left out. */
export interface LockModuleOptions {
  /** The name of the connection of RedisModule that holds the locks. @default 'default' */
  connection?: string;
  /** How long a lock is valid if Redis is not heard of again; it is renewed all the while. At least three times `redisTimeout`, `'365d'` at most. @default '30s' */
  ttl?: Duration;
  /** How long to wait for a lock that is taken; `'0ms'`: not at all, `'365d'` at most. @default '10s' */
  wait?: Duration;
  /** For how long a lock is renewed: a section that is stuck must not hold it for ever. At least `ttl`, `'365d'` at most. @default '1h' */
  maxHold?: Duration;
  /** For how long nobody else is granted a lock whose holder let it expire: time for what it had begun to end. `'365d'` at most. @default '0ms' */
  lockDelay?: Duration;
  /** A grant counts when so many replicas have it, and is given back when they do not within the time. @default none are asked */
  replicas?: ReplicasOptions;
  /**
   * How long one question to Redis may take, `'1h'` at most; it goes before `commandTimeout` of the connection.
   * Above a second, who waits may lose its place by one slow answer, as it has to be heard of every three. @default '1s'
   */
  redisTimeout?: Duration;
  /** Whether LockService is visible in every module. @default true */
  isGlobal?: boolean;
}

/** How many replicas have to have a grant before it counts. */
export interface ReplicasOptions {
  /** So many, from 1; not more than Redis has, or nothing is granted. */
  readonly min: number;
  /** How long they have for it, after which the grant is given back; `'1h'` at most. @default '200ms' */
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
const TIMEOUTS_PER_TTL = 3;

const DAY_MS = 86_400_000;
/** Of what is written into Redis; beyond it nobody means what is written. */
export const LONGEST_MS = 365 * DAY_MS;
const LONGEST_TIMEOUT_MS = DAY_MS / 24;

/**
 * Checks the options and fills the defaults.
 *
 * @throws LockOptionsError that lists every mistake at once.
 */
export function resolveLockOptions(options: LockModuleOptions): ResolvedLockOptions {
  const mistakes: string[] = [];
  const reader = new OptionsReader(options, 'options', mistakes);
  const lengths = new LengthsReader(reader, options, 'options', mistakes);
  reader.ignore('isGlobal');
  const resolved: ResolvedLockOptions = {
    connection: reader.matching('connection', /^[\w.-]{1,64}$/, 'the name of a connection of RedisModule', 'default'),
    redisTimeoutMs: lengths.read('redisTimeout', 1_000, LONGEST_TIMEOUT_MS),
    replicas: readReplicas(reader, options, mistakes),
    ttlMs: lengths.read('ttl', 30_000, LONGEST_MS),
    waitMs: lengths.readOrZero('wait', 10_000, LONGEST_MS),
    maxHoldMs: lengths.read('maxHold', 3_600_000, LONGEST_MS),
    delayMs: lengths.readOrZero('lockDelay', 0, LONGEST_MS),
    fair: true,
    signal: undefined,
  };
  reader.rejectUnknown();
  noteTiming(lengths, resolved, resolved.redisTimeoutMs, mistakes);
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
  const lengths = new LengthsReader(reader, options, 'options', mistakes);
  reader.ignore('signal');
  const resolved: ResolvedAcquireOptions = {
    waitMs: lengths.readOrZero('wait', module.waitMs, LONGEST_MS),
    ttlMs: lengths.read('ttl', module.ttlMs, LONGEST_MS),
    maxHoldMs: lengths.read('maxHold', module.maxHoldMs, LONGEST_MS),
    delayMs: lengths.readOrZero('lockDelay', module.delayMs, LONGEST_MS),
    fair: reader.boolean('fair', true),
    signal: readSignal(options, mistakes),
  };
  reader.rejectUnknown();
  noteTiming(lengths, resolved, module.redisTimeoutMs, mistakes);
  if (mistakes.length > 0) throw new LockCallError(mistakes.join(' '));
  return resolved;
}

/** By how much a lock that is held is extended, in milliseconds. @throws LockCallError */
export function resolveTtl(ttl: Duration, redisTimeoutMs: number): number {
  const ttlMs = readTtl(ttl);
  const shown = `ttl is ${shownLength(ttl)}`;
  if (ttlMs > LONGEST_MS) throw new LockCallError(tooLong(shown, LONGEST_MS));
  if (isTooShort(ttlMs, redisTimeoutMs)) throw new LockCallError(tooShort(shown, redisTimeoutMs));
  return ttlMs;
}

function readTtl(ttl: Duration): number {
  try {
    return parseDuration(ttl, 'ttl');
  } catch (error) {
    throw new LockCallError((error as Error).message);
  }
}

/** What could not be read is NaN, and is compared with nothing. */
function noteTiming(
  lengths: LengthsReader,
  { ttlMs, maxHoldMs }: ResolvedAcquireOptions,
  redisTimeoutMs: number,
  mistakes: string[],
): void {
  if (isTooShort(ttlMs, redisTimeoutMs)) mistakes.push(tooShort(lengths.shown('ttl', ttlMs), redisTimeoutMs));
  if (maxHoldMs < ttlMs) {
    mistakes.push(
      `${lengths.shown('maxHold', maxHoldMs)}, less than the ttl of ${lengths.written('ttl', ttlMs)}. Use as much or more, or ` +
        'lower "ttl".',
    );
  }
}

/** Not when one of them is NaN. */
export function isTooShort(ms: number, redisTimeoutMs: number): boolean {
  return ms < TIMEOUTS_PER_TTL * redisTimeoutMs;
}

/** @param shown what is too short, as in `ttl is '1s'` */
export function tooShort(shown: string, redisTimeoutMs: number): string {
  return (
    `${shown}, less than ${TIMEOUTS_PER_TTL} times "redisTimeout" (${redisTimeoutMs}ms): one slow answer of Redis would end the ` +
    `lock. Use '${TIMEOUTS_PER_TTL * redisTimeoutMs}ms' or more, or lower "redisTimeout" of LockModule.`
  );
}

function readReplicas(
  reader: OptionsReader,
  options: LockModuleOptions,
  mistakes: string[],
): ResolvedLockOptions['replicas'] {
  reader.ignore('replicas');
  if (typeof options !== 'object' || options === null || options.replicas === undefined) return undefined;
  const path = 'options.replicas';
  const replicas = new OptionsReader(options.replicas, path, mistakes);
  const lengths = new LengthsReader(replicas, options.replicas, path, mistakes);
  const resolved = {
    min: replicas.integer('min', 1, 1),
    timeoutMs: lengths.read('timeout', 200, LONGEST_TIMEOUT_MS),
  };
  replicas.rejectUnknown();
  return resolved;
}

function readSignal(options: AcquireOptions, mistakes: string[]): AbortSignal | undefined {
  const signal: unknown = typeof options === 'object' && options !== null ? options.signal : undefined;
  if (signal === undefined || signal instanceof AbortSignal) return signal;
  mistakes.push('options.signal is no AbortSignal. Give that of an AbortController, or AbortSignal.timeout(ms).');
  return undefined;
}
