import { Inject, Injectable } from '@nestjs/common';
import { Cacheable, Warm, type WarmContext } from '@nuthatch/cache';
import { asc, count, desc, eq } from 'drizzle-orm';
import { DATABASE, type Database } from '../database/database.js';
import { cities, venues } from '../database/schema.js';

export interface Venue {
  readonly id: number;
  readonly name: string;
  readonly city: string;
}

/** How many venues a list shows, and how many countries are warmed. */
const LONGEST_LIST = 100;
const COUNTRIES_TO_WARM = 10;

@Injectable()
export class VenuesService {
  readonly #database: Database;

  constructor(@Inject(DATABASE) database: Database) {
    this.#database = database;
  }

  /** The venues of a country, those of its largest cities first. */
  @Cacheable<VenuesService['inCountry']>({
    key: (country) => ['venues', country.toUpperCase()],
    ttl: '10m',
    refreshAhead: 0.5,
  })
  async inCountry(country: string): Promise<readonly Venue[]> {
    return this.#database
      .select({ id: venues.id, name: venues.name, city: cities.name })
      .from(venues)
      .innerJoin(cities, eq(cities.id, venues.cityId))
      .where(eq(cities.country, country.toUpperCase()))
      .orderBy(desc(cities.population), asc(venues.id))
      .limit(LONGEST_LIST);
  }

  /** One list after the other: customers need the database, too. */
  @Warm({ name: 'venue-lists' })
  async warm({ signal }: WarmContext): Promise<number> {
    const countries = await this.#countriesWithMostVenues();
    for (const country of countries) {
      signal.throwIfAborted();
      await this.inCountry(country);
    }
    return countries.length;
  }

  async #countriesWithMostVenues(): Promise<string[]> {
    const rows = await this.#database
      .select({ country: cities.country })
      .from(venues)
      .innerJoin(cities, eq(cities.id, venues.cityId))
      .groupBy(cities.country)
      .orderBy(desc(count()), asc(cities.country))
      .limit(COUNTRIES_TO_WARM);
    return rows.map(({ country }) => country);
  }
}
