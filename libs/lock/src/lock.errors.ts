import { NuthatchError } from '@nuthatch/redis';
import { named, namedFirst, type LockKind } from './lock-kind.js';
import { unreachableMessage } from './unreachable-message.js';

/** Who holds a lock. */
export interface LockHolder {
  /** Names the process, and this hold among its holds. */
  readonly id: string;
  /** The name of its machine, of at most 40 characters. */
  readonly host: string;
  /** The number of its process on that machine. */
  readonly pid: number;
  /** Its fencing token. */
  readonly token: bigint;
}

/** What is known of a lock that was not acquired. */
export interface LockBusyDetails {
  /** How long it was waited, in milliseconds. */
  readonly waitedMs: number;
  /** One of those who hold it, when that is known. */
  readonly holder?: LockHolder;
  /** Whether it is this process that holds it. */
  readonly heldHere?: boolean;
  /** How long the holder may keep it without renewing it, in milliseconds. */
  readonly remainingMs?: number;
  /** The place in the queue when the wait ended, from 1; 0 for who did not wait. */
  readonly position: number;
}

/** Options of the module, or of a decorator, are wrong; `mistakes` lists every one of them: what, the value, the fix. */
export class LockOptionsError extends NuthatchError {
  constructor(readonly mistakes: readonly string[]) {
    super('LOCK_OPTIONS', `LockModule has wrong options:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`);
  }
}

/** A call asks for what cannot be: no key, too many keys, a wrong ttl. */
export class LockCallError extends NuthatchError {
  constructor(message: string) {
    super('LOCK_CALL', message);
  }
}

/** Others hold the lock, and went on doing so for as long as was waited. */
export class LockBusyError extends NuthatchError {
  /** How long it was waited, in milliseconds; 0 for who asked once. */
  readonly waitedMs: number;
  /** One of those who hold it; undefined when nobody may hold it for now, or that is not known. */
  readonly holder: LockHolder | undefined;
  /** How long that one may keep it without renewing it, in milliseconds. */
  readonly remainingMs: number | undefined;
  /** The place in the queue when the wait ended, from 1; 0 for who did not wait. */
  readonly position: number;

  /** @param key as it was asked for */
  constructor(
    readonly key: string,
    details: LockBusyDetails,
    readonly kind: LockKind = 'lock',
  ) {
    super('LOCK_BUSY', busyMessage(namedFirst(kind, key), details));
    this.waitedMs = details.waitedMs;
    this.holder = details.holder;
    this.remainingMs = details.remainingMs;
    this.position = details.position;
  }
}

/**
 * Redis could not be asked, so whether the lock is free is not known; `cause` says why. From an attempt to acquire: nothing is held,
 * and it takes no effect late.
 */
export class LockUnreachableError extends NuthatchError {
  /** @param key as it was asked for */
  constructor(
    readonly key: string,
    options: { cause: unknown },
    readonly kind: LockKind = 'lock',
  ) {
    super('LOCK_UNREACHABLE', unreachableMessage(named(kind, key), options.cause), options);
  }
}

/** Too few replicas had a grant in time, so it was given back: the cause of a {@link LockUnreachableError}. */
export class LockReplicasError extends NuthatchError {
  /**
   * @param replicas how many had it
   * @param min how many were asked for by `replicas.min`
   * @param timeoutMs how long they had for it, in milliseconds
   */
  constructor(
    readonly replicas: number,
    readonly min: number,
    readonly timeoutMs: number,
  ) {
    super(
      'LOCK_REPLICAS',
      `Of the replicas of Redis ${replicas} had the lock within ${timeoutMs}ms, and "replicas.min" is ${min}. ` +
        'Look at the lag of the replicas, or raise "replicas.timeout".',
    );
  }
}

/** The signal of the caller ended the wait, or the application shuts down; `cause` is its reason. */
export class LockAbortedError extends NuthatchError {
  /** @param key as it was asked for */
  constructor(
    readonly key: string,
    options: { cause: unknown },
    readonly kind: LockKind = 'lock',
  ) {
    const { cause } = options;
    const reason = cause instanceof Error && cause.message ? `: ${cause.message.replace(/\.$/, '')}` : '';
    super(
      'LOCK_ABORTED',
      `The wait for ${named(kind, key)} was aborted by its signal or the shutdown${reason}. Nothing is held. ` +
        'Ask again if it is still wanted, with a signal that has not aborted.',
      options,
    );
  }
}

/** A section that holds a lock asked for it in a way that would wait for itself, or for it among others. */
export class LockNestedError extends NuthatchError {
  /**
   * @param key the one that is held
   * @param among whether others are asked for that the section does not hold, or holds by another call
   */
  constructor(
    readonly key: string,
    among = false,
    readonly kind: LockKind = 'lock',
  ) {
    super(
      'LOCK_NESTED',
      among
        ? `${namedFirst(kind, key)} is held by a section that asks for it together with others. Locking those now would break the ` +
            'order in which all processes lock. Ask for all keys in the outer section.'
        : `${namedFirst(kind, key)} is asked for by a section that holds it, so it would wait for itself. ${NESTED_FIXES[kind]}`,
    );
  }
}

/** assertLocked() or currentLock() ran where no section holds the lock. */
export class LockNotHeldError extends NuthatchError {
  /** @param key what had to be held; undefined: any */
  constructor(
    readonly key: string | undefined,
    readonly kind: LockKind = 'lock',
  ) {
    super(
      'LOCK_NOT_HELD',
      `No section around this call holds ${key === undefined ? 'a lock' : named(kind, key)}. Call it within withLock(), ` +
        '@WithLock or @ScheduledLock; a self-call through `this` is covered by the decorators, a call of a copy of the method is not.',
    );
  }
}

/** The lock is not held any more, and was not released by its holder. */
export abstract class LockLostError extends NuthatchError {
  /**
   * @param key as it was asked for
   * @param token the fencing token of the hold that has ended
   */
  constructor(
    code: string,
    readonly key: string,
    readonly token: bigint,
    message: string,
    readonly kind: LockKind,
  ) {
    super(code, message);
  }
}

/** The validity of the lock has ended: Redis did not answer in time, this process stood still, or `maxHold` is over. */
export class LockExpiredError extends LockLostError {
  /** @param reason a sentence */
  constructor(key: string, token: bigint, reason: string, kind: LockKind = 'lock') {
    super('LOCK_EXPIRED', key, token, `${namedFirst(kind, key)} is not held any more: ${reason} ${BEGIN_ANEW}`, kind);
  }
}

/** Somebody else holds the lock. */
export class LockStolenError extends LockLostError {
  constructor(key: string, token: bigint, kind: LockKind = 'lock') {
    super(
      'LOCK_STOLEN',
      key,
      token,
      `${namedFirst(kind, key)} was granted to somebody else after its validity had ended, or Redis has lost it in a failover. ` +
        `What guards its writes by the fencing token ${token} is safe. ${BEGIN_ANEW}`,
      kind,
    );
  }
}

/** An operator took the lock away by admin.forceRelease(). */
export class LockForcedError extends LockLostError {
  constructor(key: string, token: bigint, kind: LockKind = 'lock') {
    super(
      'LOCK_FORCED',
      key,
      token,
      `${namedFirst(kind, key)} was taken away by an operator (forceRelease). ${BEGIN_ANEW}`,
      kind,
    );
  }
}

/** The lock was released by its holder, and is used afterwards. */
export class LockReleasedError extends NuthatchError {
  /**
   * @param key as it was asked for
   * @param token the fencing token of the hold that has ended
   */
  constructor(
    readonly key: string,
    readonly token: bigint,
    readonly kind: LockKind = 'lock',
  ) {
    super('LOCK_RELEASED', `${namedFirst(kind, key)} was released before. Do what needs it before release().`);
  }
}

const BEGIN_ANEW = 'Stop what it guards, and begin anew with a new lock.';

const REENTER = 'Use withLock() for both, which enters again, or pass the lock along.';
const NESTED_FIXES: Readonly<Record<LockKind, string>> = {
  lock: REENTER,
  job: REENTER,
  election: REENTER,
  semaphore: 'Use with() for both, which shares the permits, or take them all in the outer section.',
  'read-write': 'Use write() for the outer section: read() and write() within it enter again.',
};

function busyMessage(name: string, details: LockBusyDetails): string {
  const { waitedMs, holder, heldHere, remainingMs, position } = details;
  const ahead = position > 1 ? `, ${position - 1} ahead in the queue` : '';
  if (!holder && !heldHere) {
    const failed = waitedMs > 0 ? `was not acquired within ${spell(waitedMs)}` : 'is not granted';
    return (
      `${name} ${failed}: nobody may hold it for now${ahead}. That is "lockDelay" after a hold that was lost, or "atLeastFor" ` +
      'of a job: raise "wait", or lower those.'
    );
  }
  const failed = waitedMs > 0 ? `was not acquired within ${spell(waitedMs)}` : 'is taken';
  const pid = holder?.pid ?? process.pid;
  const by = heldHere ? `this process (pid ${pid})` : `${holder?.host} (pid ${pid})`;
  const left = remainingMs === undefined ? '' : ` for ${spell(remainingMs)} more unless renewed`;
  return `${name} ${failed}: held by ${by}${left}${ahead}. Raise "wait", or shorten the critical section.`;
}

function spell(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)}ms` : `${Math.round(ms / 100) / 10}s`;
}
