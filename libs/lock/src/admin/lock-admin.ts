import type { LockDriver } from '../drivers/lock-driver.js';
import { readHolder } from '../holder-id.js';
import { lockKey } from '../lock-key.js';
import { LockCallError, type LockHolder } from '../lock.errors.js';
import { quote } from '../quote.js';

// A list for people, not for programs.
const MOST_LISTED = 10_000;

/** A lock as an operator sees it. */
export interface LockInfo {
  /** As it is in Redis. {@link LockAdmin.forceRelease} takes it as `{ key }`. */
  readonly key: string;
  readonly holders: readonly LockHolding[];
  /** Those who wait, first come first. */
  readonly waiters: readonly Omit<LockHolder, 'token'>[];
}

/** Who holds a lock, and for how long. */
export interface LockHolding extends LockHolder {
  /** When it was granted, by the clock of Redis; of one that holds several keys, when the last of them was, or a little later. */
  readonly since: Date;
  /** How long it may be held unless it is renewed, in milliseconds. */
  readonly remainingMs: number;
  /** How many permits it takes. */
  readonly permits: number;
}

/** What operators do with locks. */
export class LockAdmin {
  constructor(
    private readonly driver: LockDriver,
    private readonly root: string,
  ) {}

  /**
   * The locks, semaphores, read-write locks, jobs and elections that are held or waited for now, at most 10,000, sorted by key. Redis
   * is scanned for them, so this is not for programs that call it often.
   *
   * @throws RedisUnreachableError, RedisTimeoutError, or the error that Redis replied with, such as `NOPERM`
   */
  async list(): Promise<LockInfo[]> {
    const locks: LockInfo[] = [];
    for await (const { key, holders, waiters } of this.driver.list(this.root)) {
      locks.push({
        key,
        holders: holders.map(({ id, token, remainingMs, weight }) => ({
          ...readHolder(id, token),
          // A token is the time of its grant, unless several were granted in one microsecond.
          since: new Date(Number(token / 1_000n)),
          remainingMs,
          permits: weight,
        })),
        waiters: waiters.map((id) => {
          const { host, pid } = readHolder(id, 0n);
          return { id, host, pid };
        }),
      });
      if (locks.length === MOST_LISTED) break;
    }
    return locks.sort((one, other) => (one.key < other.key ? -1 : 1));
  }

  /**
   * Takes a lock away from all who hold it: their signals abort at once, and who waits first gets it. What they have begun goes on
   * until it looks at its signal, so guard what they write by fencing tokens.
   *
   * @param lock the name of a lock as in `acquire`; for all else, and where only the key is known, one of {@link list}, or `{ key }` of it
   * @returns how many held it
   * @throws LockCallError for what is none; RedisUnreachableError, RedisTimeoutError, or the error that Redis replied with
   */
  async forceRelease(lock: string | Pick<LockInfo, 'key'>): Promise<number> {
    return this.driver.force(typeof lock === 'string' ? lockKey(this.root, lock) : this.#listedKey(lock));
  }

  #listedKey(lock: unknown): string {
    const key = typeof lock === 'object' && lock !== null && 'key' in lock ? lock.key : undefined;
    if (typeof key !== 'string')
      throw new LockCallError(
        "What is to be released is neither the name of a lock nor one of admin.list(). Give 'orders:42', or { key } of one of the list.",
      );
    if (!key.startsWith(this.root) || key.length === this.root.length)
      throw new LockCallError(
        `The key ${quote(key)} does not begin with ${quote(this.root)}, as those of admin.list() do. Give one of these, or the name of ` +
          'a lock as a string.',
      );
    return key;
  }
}
