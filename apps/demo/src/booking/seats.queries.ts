import { NotFoundException } from '@nestjs/common';
import type { Fence } from '@nuthatch/lock';
import { and, asc, eq, gt, isNotNull, lte, or, sql } from 'drizzle-orm';
import type { Database } from '../database/database.js';
import type { Transaction } from '../database/drizzle-transactions.js';
import { events, orders, reservations, seats } from '../database/schema.js';

export interface Seat {
  /** The row and the number: `B7`. */
  readonly seat: string;
  readonly state: 'free' | 'reserved' | 'sold';
}

/** One seat of one event, as whoever holds its lock sees it. */
export interface EnteredSeat {
  readonly eventId: number;
  readonly seatId: number;
  readonly sold: boolean;
  /** Who has it now. */
  readonly buyer: string | undefined;
}

export interface StaleReservation {
  readonly eventId: number;
  readonly seat: string;
}

const label = sql<string>`${seats.row} || ${seats.number}`;

/** All seats of an event, or those that a buyer has; none when there is no such event. */
export async function listSeats(database: Database, eventId: number, now: Date, buyer?: string): Promise<Seat[]> {
  const ofBuyer = buyer === undefined ? undefined : or(eq(orders.buyer, buyer), eq(reservations.buyer, buyer));
  const rows = await database
    .select({ seat: label, order: orders.id, buyer: reservations.buyer })
    .from(events)
    .innerJoin(seats, eq(seats.venueId, events.venueId))
    .leftJoin(orders, and(eq(orders.eventId, events.id), eq(orders.seatId, seats.id)))
    .leftJoin(
      reservations,
      and(eq(reservations.eventId, events.id), eq(reservations.seatId, seats.id), gt(reservations.until, now)),
    )
    .where(and(eq(events.id, eventId), ofBuyer))
    .orderBy(asc(seats.row), asc(seats.number));
  return rows.map(({ seat, order, buyer }) => ({
    seat,
    state: order !== null ? 'sold' : buyer !== null ? 'reserved' : 'free',
  }));
}

/**
 * Begins to write about a seat: from now on no earlier holder of its lock can, also if nothing more is written. Postgres locks the row
 * until the end of the transaction, so what follows in it needs no fence of its own.
 *
 * @throws FencedWriteRejectedError when a later holder has been here; NotFoundException when there is no such seat
 */
export async function enterSeat(tx: Transaction, eventId: number, seat: string, guard: Fence): Promise<EnteredSeat> {
  const [found] = await tx
    .select({ seatId: seats.id })
    .from(events)
    .innerJoin(seats, eq(seats.venueId, events.venueId))
    .where(and(eq(events.id, eventId), eq(label, seat)));
  if (!found) throw new NotFoundException(`There is no seat ${seat} at event ${eventId}.`);
  const { seatId } = found;

  const entered = await tx
    .insert(reservations)
    .values({ eventId, seatId, fence: guard.token })
    .onConflictDoUpdate({
      target: [reservations.eventId, reservations.seatId],
      set: { fence: guard.token },
      setWhere: guard.where(sql, reservations.fence),
    })
    .returning();
  guard.accept(entered.length);
  const { buyer, until } = entered[0]!;
  const current = buyer !== null && until !== null && until > new Date();

  // After the row is locked: until then another may be selling it.
  const sold = await tx
    .select({ id: orders.id })
    .from(orders)
    .where(and(eq(orders.eventId, eventId), eq(orders.seatId, seatId)));
  return { eventId, seatId, sold: sold.length > 0, buyer: current ? buyer : undefined };
}

/** The row stays when nobody has the seat any more: it remembers the fence. */
export async function setReservation(
  tx: Transaction,
  { eventId, seatId }: EnteredSeat,
  reservation: { readonly buyer: string; readonly until: Date } | undefined,
): Promise<void> {
  await tx
    .update(reservations)
    .set(reservation ?? { buyer: null, until: null })
    .where(and(eq(reservations.eventId, eventId), eq(reservations.seatId, seatId)));
}

/**
 * Whether the sale of that receipt is stored. Another sale of the same seat is none of it.
 *
 * A transaction whose COMMIT got no answer may still be at work on another connection. It has the row of the reservation, so
 * that is locked here first: then the transaction is over, and what is read is final.
 */
export async function isSold(tx: Transaction, eventId: number, seat: string, receipt: string): Promise<boolean> {
  await tx
    .select({ fence: reservations.fence })
    .from(reservations)
    .innerJoin(seats, eq(seats.id, reservations.seatId))
    .where(and(eq(reservations.eventId, eventId), eq(label, seat)))
    .for('update', { of: reservations });
  const sale = await tx
    .select({ id: orders.id })
    .from(orders)
    .where(and(eq(orders.eventId, eventId), eq(orders.receipt, receipt)));
  return sale.length > 0;
}

/** Reservations that nobody has paid in time, the oldest first. */
export function findStale(database: Database, now: Date): Promise<StaleReservation[]> {
  return database
    .select({ eventId: reservations.eventId, seat: label })
    .from(reservations)
    .innerJoin(seats, eq(seats.id, reservations.seatId))
    .where(and(isNotNull(reservations.buyer), lte(reservations.until, now)))
    .orderBy(asc(reservations.until));
}
