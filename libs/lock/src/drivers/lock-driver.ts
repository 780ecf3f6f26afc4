import type { Moment } from '../moment.js';
import type { ReleaseOutcome } from '../lock.js';

/**
 * Where locks live, and where is decided who holds them. A lock has so many permits, each grant takes some of them: of a mutex the
 * only one, of a semaphore one of several, of a read-write lock one (reader) or all (writer).
 *
 * Invariants:
 * 1. Of the permits of a lock never more are granted than there are, to holds whose time is not over by the clock of the store.
 *    Fencing tokens of a lock strictly increase in the order of grants, also after the store has lost the last one:
 *    `max(last + 1, time of the store in microseconds)`.
 * 2. What a grant, a renewal or a place in the queue is worth counts from a moment of this process before the store was asked,
 *    so it never ends later here than in the store. The time of the store is its own clock, read in the script.
 * 3. Grants follow the order of arrival among waiters whose process has beaten within {@link LIVE_MS}; a release grants to the
 *    first of them in the same step, and tells its process alone. What was not told is found by the next beat.
 * 4. Release, renewal and leaving go by the id of the hold: repeated they do nothing more, they never touch another's hold, and never
 *    make one anew.
 * 5. A call that names `giveUpAt` has no effect when it reaches the store after that.
 * 6. No state is kept for ever: a lock that is free is forgotten {@link FENCE_KEPT_MS} after its last grant could have ended.
 *
 * Every method may reject with RedisUnreachableError, RedisTimeoutError, or the error that the server replied with.
 */
export interface LockDriver {
  /**
   * Grants all claims at one moment, with one token for all, or none; no two are for the same key. Claims that were granted before, by a try whose reply was
   * lost, are granted again.
   *
   * @param queue whether a claim that cannot be granted takes a place in the queue; only for a single claim
   * @param giveUpAt on the clock of `performance.now()`
   */
  acquire(claims: readonly Claim[], queue: boolean, giveUpAt: number): Promise<Answer>;

  /** Whether claims of these keys can be acquired at one moment. */
  together(keys: readonly string[]): boolean;

  /**
   * Tells the store that these still wait, all for the same lock and in the order of their arrival: who has lost its place is put
   * at the end. Grants what has become free.
   */
  beat(waiting: readonly Claim[], giveUpAt: number): Promise<Beat>;

  /** Gives up the place in the queue, or the hold if it was granted meanwhile. Says how things stood. */
  leave(claim: Claim): Promise<Busy>;

  /** Makes holds valid for their `ttlMs` from now on, each for itself. */
  renew(renewals: readonly Renewal[], giveUpAt: number): Promise<Renewed[]>;

  /**
   * Makes a hold valid from now on, and waits until replicas of the store have it. A store without replicas has all there are.
   *
   * @param min how many; it does not wait for more
   */
  replicate(renewal: Renewal, min: number, timeoutMs: number): Promise<Replicated>;

  /**
   * Ends holds that were granted together, and grants what becomes free to who waits first.
   *
   * @returns how the first of them that did not just end by this ended, else `'released'`
   */
  release(holds: readonly Hold[], options?: ReleaseOptions): Promise<ReleaseOutcome>;

  /** Ends all holds of a lock, tells their processes, and grants to who waits. @returns how many there were */
  force(key: string): Promise<number>;

  /** The locks whose keys begin so that are held or waited for; each as of the moment it was read. */
  list(prefix: string): AsyncIterable<LockState>;

  /** Calls `listener` with what happens to claims and holds of this process; the returned function ends that. */
  listen(listener: LockListener): () => void;

  close(): void;
}

/** A process that has not beaten for so long is dead to those who wait behind it. */
export const LIVE_MS = 3_000;
/** What a grant is worth that its holder has not asked for in the same call: the rest is had by renewing it. */
export const HANDED_MS = 3_000;
/** For so long after a hold ended its token is known, so that a clock that is set back makes no smaller one. */
export const FENCE_KEPT_MS = 600_000;

/** Who asks for a lock. */
export interface Claim {
  /** Of the store. */
  readonly key: string;
  /** Unlike that of any other claim: `<process>:<number>`, see HolderId. No spaces. */
  readonly id: string;
  /** How many permits the lock has. */
  readonly permits: number;
  /** How many of them are asked for; not more than there are. */
  readonly weight: number;
  /** How long a grant is valid unless it is renewed. */
  readonly ttlMs: number;
  /** For how long nobody else is granted after a hold has expired instead of being released; a late release does not end that. */
  readonly delayMs: number;
}

export interface Hold {
  readonly key: string;
  readonly id: string;
  readonly token: bigint;
}

export interface Renewal extends Hold {
  readonly ttlMs: number;
  /** At least this is the token of the hold from now on. */
  readonly tokenAtLeast?: bigint;
}

export interface ReleaseOptions {
  /** For how long after its grant nobody else is granted, though it is released. */
  readonly keepMs?: number;
  /** The id of a claim that goes before all others if it waits. */
  readonly prefer?: string;
  /** There is one hold, which is valid by the clocks of this process, and nobody waits that it knows of; that may be wrong. */
  readonly alone?: boolean;
  /** All holds are valid by the clocks of this process: where they are gone when a release is repeated, the first has ended them. */
  readonly valid?: boolean;
}

export type Answer = Granted | Waiting | Busy;

export interface Granted {
  readonly state: 'granted';
  readonly token: bigint;
  /** From when its validity counts. */
  readonly since: Moment;
}

export interface Waiting {
  readonly state: 'waiting';
  /** From when a grant that is told later counts, at the earliest. */
  readonly since: Moment;
  /** When the store has something to grant even if nobody releases: the next hold expires in so long. */
  readonly nextMs: number;
}

export interface Busy {
  readonly state: 'busy';
  /** The place in the queue, from 1; 0 for who has none. */
  readonly position: number;
  /** One of the holders; none where all are waiting for a delay to end, or nobody holds it any more. */
  readonly holder?: { readonly id: string; readonly token: bigint };
  readonly remainingMs?: number;
}

export interface Beat {
  /** Before the store was asked. */
  readonly since: Moment;
  /** The last that the lock has granted: a claim that waits, and is told of none later, has lost what it was granted. */
  readonly lastToken: bigint;
  /** For each claim, its token if it is granted by now. */
  readonly tokens: readonly (bigint | undefined)[];
  /** See {@link Waiting.nextMs}. */
  readonly nextMs: number;
  /** Whether one of these is first in the queue: its process looks first when a hold expires. */
  readonly first: boolean;
}

/** The hold stands, with that token; or how it ended. */
export type Renewed =
  | { readonly state: 'renewed'; readonly token: bigint; readonly since: Moment }
  | { readonly state: Exclude<ReleaseOutcome, 'released'> };

export interface Replicated {
  readonly hold: Renewed;
  /** How many replicas are known to have it. */
  readonly replicas: number;
}

export interface LockState {
  readonly key: string;
  readonly holders: readonly {
    readonly id: string;
    readonly token: bigint;
    readonly remainingMs: number;
    readonly weight: number;
  }[];
  /** The ids of those who wait, first come first. */
  readonly waiters: readonly string[];
}

export interface LockListener {
  /** A claim that waits was granted, with {@link HANDED_MS} or its `ttlMs` if that is less. */
  granted(id: string, token: bigint, key: string): void;
  /** A hold was taken away. */
  forced(id: string): void;
  /** Something may have been missed: whoever waits should beat. */
  gap(): void;
  /** Another store may have taken over, or the same without what it knew: whoever holds should renew. */
  moved(): void;
}
