import { Inject, Injectable } from '@nestjs/common';
import { asc, desc, eq, inArray, sql } from 'drizzle-orm';
import { DATABASE, type Database } from '../database/database.js';
import { placeKey } from '../database/place-key.js';
import { cities, events, orders, seats, venues } from '../database/schema.js';
import type { VenueDetail } from './venue-detail.js';

export interface Customer {
  readonly id: number;
  readonly name: string;
  readonly city: string;
}

export interface Forecast {
  readonly eventId: number;
  readonly sold: number;
  readonly capacity: number;
  /** How many seats will be sold when the event begins. */
  readonly expected: number;
}

const NAMES = ['Ada', 'Blaise', 'Chien-Shiung', 'Dmitri', 'Emmy', 'Florence', 'Grace', 'Hedy'];
const CUSTOMERS = 1_000;
const LONGEST_LIST = 100;
/** Which part of the customers sees a feature. */
const ROLLOUT = { 'seat-map': 1, 'group-discount': 0.5, 'waiting-list': 0 };

/** What the loaders of the caches ask. */
@Injectable()
export class ShopQueries {
  readonly #database: Database;

  constructor(@Inject(DATABASE) database: Database) {
    this.#database = database;
  }

  /** The shop has no table of them: each lives in a city of its own, the first in the largest. */
  async findCustomer(id: number): Promise<Customer | null> {
    if (id > CUSTOMERS) return null;
    const [home] = await this.#database
      .select({ name: cities.name })
      .from(cities)
      .orderBy(desc(cities.population), asc(cities.id))
      .offset(id - 1)
      .limit(1);
    return home ? { id, name: NAMES[id % NAMES.length]!, city: home.name } : null;
  }

  /** The venues that there are, by their ids. */
  async findVenues(ids: readonly number[]): Promise<Map<number, VenueDetail>> {
    const found = await this.#database
      .select({
        id: venues.id,
        name: venues.name,
        city: cities.name,
        seats: sql`(select count(*) from ${seats} where ${seats.venueId} = ${venues.id})`.mapWith(Number),
      })
      .from(venues)
      .innerJoin(cities, eq(cities.id, venues.cityId))
      .where(inArray(venues.id, [...ids]));
    return new Map(found.map((venue) => [venue.id, venue]));
  }

  /** Those in all cities of that name. */
  async findVenueIds(city: string): Promise<number[]> {
    const found = await this.#database
      .select({ id: venues.id })
      .from(venues)
      .innerJoin(cities, eq(cities.id, venues.cityId))
      .where(eq(cities.key, placeKey(city)))
      .orderBy(desc(cities.population), asc(venues.id))
      .limit(LONGEST_LIST);
    return found.map(({ id }) => id);
  }

  /** Sales go on as they began. */
  async forecast(eventId: number): Promise<Forecast | null> {
    const [event] = await this.#database
      .select({
        capacity: sql`(select count(*) from ${seats} where ${seats.venueId} = ${events.venueId})`.mapWith(Number),
        sold: sql`(select count(*) from ${orders} where ${orders.eventId} = ${events.id})`.mapWith(Number),
        daysLeft: sql`greatest(0, ${events.startsAt}::date - current_date)`.mapWith(Number),
      })
      .from(events)
      .innerJoin(venues, eq(venues.id, events.venueId))
      .where(eq(events.id, eventId));
    if (!event) return null;
    const { capacity, sold, daysLeft } = event;
    return { eventId, sold, capacity, expected: Math.min(capacity, Math.round(sold * (1 + daysLeft / 30))) };
  }

  async flagsOf(customer: number): Promise<Record<string, boolean>> {
    const draw = (customer % 100) / 100;
    return Object.fromEntries(Object.entries(ROLLOUT).map(([flag, part]) => [flag, draw < part]));
  }
}
