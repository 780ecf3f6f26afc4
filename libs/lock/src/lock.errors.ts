import { NuthatchError } from '@nuthatch/redis';

/** Who holds a lock. */
export interface LockHolder {
  /** Names the process, and this hold among its holds. */
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /** Its fencing token. */
  readonly token: bigint;
}

export interface LockBusyDetails {
  /** How long it was waited, in milliseconds. */
  readonly waitedMs: number;
  /** One of those who hold it, when that is known. */
  readonly holder?: LockHolder;
  /** How long the holder may keep it without renewing it, in milliseconds. */
  readonly remainingMs?: number;
  /** The place in the queue when the wait ended, from 1; 0 for who did not wait. */
  readonly position: number;
}

/** The options of the module are wrong; `mistakes` lists every one of them. */
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
  readonly waitedMs: number;
  readonly holder: LockHolder | undefined;
  readonly remainingMs: number | undefined;
  readonly position: number;

  constructor(
    readonly key: string,
    details: LockBusyDetails,
  ) {
    super('LOCK_BUSY', busyMessage(key, details));
    this.waitedMs = details.waitedMs;
    this.holder = details.holder;
    this.remainingMs = details.remainingMs;
    this.position = details.position;
  }
}

/** Redis could not be asked, so whether the lock is free is not known. Nothing is held, and the attempt takes no effect late. */
export class LockUnreachableError extends NuthatchError {
  constructor(
    readonly key: string,
    options: { cause: unknown },
  ) {
    const { cause } = options;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const isRefusal = cause instanceof Error && cause.name === 'ReplyError';
    const what = isRefusal ? 'Redis refused what was asked about' : 'Redis could not be asked about';
    super('LOCK_UNREACHABLE', `${what} lock ${quote(key)}: ${reason}`, options);
  }
}

/** Too few replicas had a grant in time, so it was given back: the cause of a {@link LockUnreachableError}. */
export class LockReplicasError extends NuthatchError {
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
  constructor(
    readonly key: string,
    options: { cause: unknown },
  ) {
    super('LOCK_ABORTED', `The wait for lock ${quote(key)} was aborted. See the cause.`, options);
  }
}

/** A section that holds a lock asked for it in a way that would wait for itself, or for it among others. */
export class LockNestedError extends NuthatchError {
  /** @param among whether others are asked for that the section does not hold, or holds by another call */
  constructor(
    readonly key: string,
    among = false,
  ) {
    super(
      'LOCK_NESTED',
      among
        ? `Lock ${quote(key)} is held by a section that asks for it together with others. Locking those now would break the order ` +
            'in which all processes lock. Ask for all keys in the outer section.'
        : `Lock ${quote(key)} is asked for by a section that holds it, so it would wait for itself. Use withLock() for both, ` +
            'which enters again, or pass the lock along.',
    );
  }
}

/** assertLocked() or currentLock() ran where no section holds the lock. */
export class LockNotHeldError extends NuthatchError {
  constructor(readonly key: string | undefined) {
    super(
      'LOCK_NOT_HELD',
      `No section around this call holds ${key === undefined ? 'a lock' : `lock ${quote(key)}`}. Call it within withLock(), ` +
        '@WithLock or @ScheduledLock; a self-call through `this` is covered by the decorators, a call of a copy of the method is not.',
    );
  }
}

/** The lock is not held any more, and was not released by its holder. */
export abstract class LockLostError extends NuthatchError {
  constructor(
    code: string,
    readonly key: string,
    readonly token: bigint,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(code, message, options);
  }
}

/** The validity of the lock has ended: Redis did not answer in time, this process stood still, or `maxHold` is over. */
export class LockExpiredError extends LockLostError {
  constructor(key: string, token: bigint, reason: string, options?: { cause?: unknown }) {
    super('LOCK_EXPIRED', key, token, `Lock ${quote(key)} is not held any more: ${reason}`, options);
  }
}

/** Somebody else holds the lock. */
export class LockStolenError extends LockLostError {
  constructor(key: string, token: bigint) {
    super(
      'LOCK_STOLEN',
      key,
      token,
      `Lock ${quote(key)} was granted to somebody else after its validity had ended, or Redis has lost it in a failover. ` +
        `What guards its writes by the fencing token ${token} is safe.`,
    );
  }
}

/** An operator took the lock away by admin.forceRelease(). */
export class LockForcedError extends LockLostError {
  constructor(key: string, token: bigint) {
    super('LOCK_FORCED', key, token, `Lock ${quote(key)} was taken away by an operator (forceRelease).`);
  }
}

/** The lock was released by its holder, and is used afterwards. */
export class LockReleasedError extends NuthatchError {
  constructor(
    readonly key: string,
    readonly token: bigint,
  ) {
    super('LOCK_RELEASED', `Lock ${quote(key)} was released before. Do what needs it before release().`);
  }
}

function busyMessage(key: string, { waitedMs, holder, remainingMs, position }: LockBusyDetails): string {
  const waited = waitedMs > 0 ? `was not acquired within ${spell(waitedMs)}` : 'is taken';
  const by = holder ? `held by ${holder.host} (pid ${holder.pid})` : 'held by another';
  const left = remainingMs === undefined ? '' : ` for ${spell(remainingMs)} more unless renewed`;
  const ahead = position > 1 ? `, ${position - 1} ahead in the queue` : '';
  return `Lock ${quote(key)} ${waited}: ${by}${left}${ahead}. Raise "wait", or shorten the critical section.`;
}

function spell(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)}ms` : `${Math.round(ms / 100) / 10}s`;
}

/** Keys are chosen by others: shown escaped, and not in full when long. */
function quote(key: string): string {
  return JSON.stringify(key.length > 100 ? `${key.slice(0, 100)}...` : key);
}
