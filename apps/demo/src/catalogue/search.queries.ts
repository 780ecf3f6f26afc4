import { asc, desc, eq, ilike } from 'drizzle-orm';
import type { Database } from '../database/database.js';
import { cities, venues } from '../database/schema.js';

export interface FoundVenue {
  readonly id: number;
  readonly name: string;
  readonly city: string;
  readonly country: string;
}

/** The venues whose names hold the text, whatever the case; those of the largest cities first. */
export function findVenuesByName(database: Database, text: string, atMost: number): Promise<FoundVenue[]> {
  return database
    .select({ id: venues.id, name: venues.name, city: cities.name, country: cities.country })
    .from(venues)
    .innerJoin(cities, eq(cities.id, venues.cityId))
    .where(ilike(venues.name, `%${text.replace(/[\\%_]/g, String.raw`\$&`)}%`))
    .orderBy(desc(cities.population), asc(venues.id))
    .limit(atMost);
}
