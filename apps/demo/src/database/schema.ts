import {
  bigint,
  char,
  doublePrecision,
  integer,
  numeric,
  pgTable,
  primaryKey,
  text,
  timestamp,
} from 'drizzle-orm/pg-core';

// The columns as Drizzle sees them; create-tables.ts holds the same tables as SQL.

const identity = () => integer('id').primaryKey().generatedAlwaysAsIdentity();

export const cities = pgTable('cities', {
  id: integer('id').primaryKey(),
  name: text('name').notNull(),
  /** The name as `placeKey()` writes it, so that `sao paulo` finds São Paulo. */
  key: text('key').notNull(),
  country: char('country', { length: 2 }).notNull(),
  population: integer('population').notNull(),
  latitude: doublePrecision('latitude').notNull(),
  longitude: doublePrecision('longitude').notNull(),
});

export const venues = pgTable('venues', {
  id: identity(),
  cityId: integer('city_id').notNull(),
  name: text('name').notNull(),
  latitude: doublePrecision('latitude').notNull(),
  longitude: doublePrecision('longitude').notNull(),
});

export const events = pgTable('events', {
  id: identity(),
  venueId: integer('venue_id').notNull(),
  title: text('title').notNull(),
  startsAt: timestamp('starts_at', { withTimezone: true }).notNull(),
  /** In euros. */
  price: numeric('price', { precision: 8, scale: 2, mode: 'number' }).notNull(),
});

export const seats = pgTable('seats', {
  id: identity(),
  venueId: integer('venue_id').notNull(),
  row: char('row', { length: 1 }).notNull(),
  number: integer('number').notNull(),
});

/** One sold seat of one event. */
export const orders = pgTable('orders', {
  id: identity(),
  eventId: integer('event_id').notNull(),
  seatId: integer('seat_id').notNull(),
  /** Null for what the seed has sold, as is the receipt. */
  buyer: text('buyer'),
  /** Of the payment: tells this sale from another of the same seat. */
  receipt: text('receipt'),
});

/** Who has a seat of an event until it is paid. The row of a seat that was ever asked for stays, for its fence. */
export const reservations = pgTable(
  'reservations',
  {
    eventId: integer('event_id').notNull(),
    seatId: integer('seat_id').notNull(),
    buyer: text('buyer'),
    until: timestamp('until', { withTimezone: true }),
    /** The highest fencing token of the lock of the seat that has been here. */
    fence: bigint('fence', { mode: 'bigint' }).notNull(),
  },
  ({ eventId, seatId }) => [primaryKey({ columns: [eventId, seatId] })],
);
