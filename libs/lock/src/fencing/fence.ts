import { LockCallError } from '../lock.errors.js';
import type { Lock } from '../lock.js';
import { quote } from '../quote.js';
import { FencedWriteRejectedError } from './fenced-write-rejected.error.js';

/** A tag of templates that makes SQL and its parameters: `sql` of Drizzle, Kysely, postgres.js, `Prisma.sql`. */
export type SqlTag<T> = (strings: TemplateStringsArray, ...values: never[]) => T;

/** Parts of a statement, to be put into its text. */
export interface FencedSql {
  /** The assignment: `fence = $3`. */
  readonly set: string;
  /** The condition: `(fence IS NULL OR fence <= $3)`. */
  readonly where: string;
}

/**
 * Guards what a lock protects where it is stored: a row remembers the highest fencing token that has written it, and refuses lower
 * ones. Add a column `fence BIGINT` to the table. See {@link Fence}; for values in Redis there is FencedStore.
 */
export function fence(lock: Lock): Fence {
  return new Fence(lock);
}

/**
 * A lock, as SQL sees it. Each statement that writes assigns the token, has the condition, and hands its count of rows to
 * {@link accept}. A row that is done with must keep its fence, so empty it instead of deleting it.
 *
 * @example
 * const guard = fence(lock);
 * const { set, where } = guard.plain('fence', '$2');
 * const { rowCount } = await client.query(`UPDATE seats SET buyer = $1, ${set} WHERE id = $3 AND ${where}`, [buyer, guard.parameter, id]);
 * guard.accept(rowCount);
 * @example
 * const rows = await db.update(seats).set({ buyer, fence: guard.token }).where(and(eq(seats.id, id), guard.where(sql, seats.fence))).returning();
 * guard.accept(rows.length);
 */
export class Fence {
  /** Grows from grant to grant; above 2^50, so a column needs 64 bits. */
  readonly token: bigint;
  readonly #lock: Lock;

  constructor(lock: Lock) {
    this.#lock = lock;
    this.token = lock.token;
  }

  /** The token in decimal digits: the value of the parameter that {@link plain} names. All drivers take it for a `BIGINT`. */
  get parameter(): string {
    return String(this.token);
  }

  /** Throws unless the lock is held now; see Lock. */
  assertHeld(): void {
    this.#lock.assertHeld();
  }

  /**
   * For statements that are text: both parts with the placeholder of {@link parameter}. Where placeholders are `?`, it is given twice.
   *
   * @param column a name, with that of its table or without, in quotes or not: `fence`, `s.fence`, `"Seats"."fence"`
   * @throws LockCallError for what is no column or no placeholder; what `assertHeld()` throws
   */
  plain(column: string, placeholder: string): FencedSql {
    if (!COLUMN.test(column)) {
      throw new LockCallError(
        `${shown(column)} is no name of a column. Write it as in 'fence', 's.fence' or '"Seats"."fence"'.`,
      );
    }
    if (!PLACEHOLDER.test(placeholder)) {
      throw new LockCallError(
        `${shown(placeholder)} is no placeholder, such as "$2" or "?". The token goes with the parameters.`,
      );
    }
    this.assertHeld();
    return { set: `${column} = ${placeholder}`, where: `(${column} IS NULL OR ${column} <= ${placeholder})` };
  }

  /**
   * For queries that are built: the condition by the tag of the library, on one of its columns.
   *
   * @throws what `assertHeld()` throws
   */
  where<T>(sql: SqlTag<T>, column: unknown): T {
    this.assertHeld();
    const tag = sql as (strings: TemplateStringsArray, ...values: unknown[]) => T;
    return tag`(${column} IS NULL OR ${column} <= ${this.parameter})`;
  }

  /**
   * Checks how many rows a statement has changed, or returned by `RETURNING`.
   *
   * @throws FencedWriteRejectedError when there is none; roll back then. LockCallError for what is no count: some libraries return
   *   a list that always has an element, so look for the number in it.
   */
  accept(rows: number | bigint | null): void {
    if (rows === null || !(typeof rows === 'bigint' || Number.isInteger(rows)) || rows < 0) {
      throw new LockCallError(`${shown(rows)} is no count of rows. Give how many the statement has changed.`);
    }
    if (Number(rows) > 0) return;
    throw new FencedWriteRejectedError({ key: this.#lock.key, token: this.token, target: 'A row' });
  }
}

// A name, or one in the quotes of a database; not what a driver could take for a placeholder.
const NAME = '[\\p{L}_][\\p{L}\\p{N}_$]*';
const QUOTED = '[\\p{L}\\p{N}_][\\p{L}\\p{N}_ -]*';
const PART = `(?:${NAME}|"${QUOTED}"|\`${QUOTED}\`|\\[${QUOTED}\\])`;
const COLUMN = new RegExp(`^${PART}(?:\\.${PART})*$`, 'u');
const PLACEHOLDER = /^(\?\d*|[$:@]\w+|%s)$/;

function shown(value: unknown): string {
  return typeof value === 'string' ? quote(value) : String(value);
}
