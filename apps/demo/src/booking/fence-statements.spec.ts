import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { PGlite } from '@electric-sql/pglite';
import { fence, FencedWriteRejectedError, type Lock } from '@nuthatch/lock';
import { and, eq, sql } from 'drizzle-orm';
import { bigint, pgTable, text } from 'drizzle-orm/pg-core';
import { drizzle } from 'drizzle-orm/pglite';

const seats = pgTable('seats', { id: text('id'), buyer: text('buyer'), fence: bigint('fence', { mode: 'bigint' }) });

const holder = (token: bigint): Lock => ({ key: 'seat:B7', token, assertHeld: () => undefined }) as Lock;
const [earlier, later] = [holder(1_795_237_776_953_001n), holder(1_795_237_776_953_002n)];

let postgres: PGlite;

/** As text with parameters. */
async function writePlain(buyer: string, lock: Lock, id = 'B7'): Promise<void> {
  const guard = fence(lock);
  const { set, where } = guard.plain('fence', '$2');
  const statement = `UPDATE seats SET buyer = $1, ${set} WHERE id = $3 AND ${where}`;
  const { affectedRows } = await postgres.query(statement, [buyer, guard.parameter, id]);
  guard.accept(affectedRows ?? null);
}

/** As Drizzle builds it. */
async function writeBuilt(buyer: string, lock: Lock, id = 'B7'): Promise<void> {
  const guard = fence(lock);
  const rows = await drizzle({ client: postgres })
    .update(seats)
    .set({ buyer, fence: guard.token })
    .where(and(eq(seats.id, id), guard.where(sql, seats.fence)))
    .returning();
  guard.accept(rows.length);
}

beforeAll(async () => {
  postgres = await PGlite.create();
  await postgres.exec('CREATE TABLE seats (id text, buyer text, fence bigint)');
}, 60_000);

afterAll(() => postgres?.close());

describe.each([
  ['of text', writePlain],
  ['of Drizzle', writeBuilt],
])('A fenced statement %s, in Postgres', (_kind, write) => {
  const row = async (): Promise<unknown> => (await postgres.query('SELECT buyer, fence::text FROM seats')).rows[0];

  beforeEach(async () => {
    await postgres.exec(`DELETE FROM seats; INSERT INTO seats VALUES ('B7')`);
  });

  it('writes a row that no holder has written yet, and again', async () => {
    await write('ada', earlier);
    expect(await row()).toEqual({ buyer: 'ada', fence: String(earlier.token) });
    await write('ada again', earlier);
    expect(await row()).toEqual({ buyer: 'ada again', fence: String(earlier.token) });
  });

  it('writes a row after an earlier holder, who cannot write it any more', async () => {
    await write('ada', earlier);
    await write('bob', later);
    await expect(write('ada again', earlier)).rejects.toBeInstanceOf(FencedWriteRejectedError);
    expect(await row()).toEqual({ buyer: 'bob', fence: String(later.token) });
  });

  it('is refused where there is no row', async () => {
    await expect(write('ada', earlier, 'B8')).rejects.toMatchObject({ code: 'LOCK_FENCED', token: earlier.token });
  });
});
