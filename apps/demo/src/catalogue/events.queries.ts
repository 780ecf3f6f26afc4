import { and, asc, count, desc, eq, inArray, lt, lte, sql, type SQL } from 'drizzle-orm';
import type { Database } from '../database/database.js';
import { placeKey } from '../database/place-key.js';
import { cities, events, orders, seats, venues } from '../database/schema.js';

export interface Place {
  readonly city: string;
  readonly country: string;
  readonly latitude: number;
  readonly longitude: number;
}

export interface NearbyEvent {
  readonly id: number;
  readonly distanceKm: number;
}

export interface ShopEvent {
  readonly id: number;
  readonly title: string;
  /** ISO 8601, UTC. */
  readonly startsAt: string;
  /** In euros. */
  readonly price: number;
  readonly venue: { readonly name: string; readonly city: string; readonly country: string };
  readonly seatsLeft: number;
}

/** The largest city of that name. */
export async function findPlace(database: Database, name: string, country?: string): Promise<Place | undefined> {
  const key = placeKey(name);
  const [place] = await database
    .select({ city: cities.name, country: cities.country, latitude: cities.latitude, longitude: cities.longitude })
    .from(cities)
    .where(
      and(
        // GeoNames writes New York City and Mexico City.
        inArray(cities.key, [key, `${key} city`]),
        country === undefined ? undefined : eq(cities.country, country.toUpperCase()),
      ),
    )
    .orderBy(desc(cities.population))
    .limit(1);
  return place;
}

/**
 * The events within `radiusKm` of a place that are not sold out, the nearest first.
 *
 * It counts the seats of every venue and the orders of every event before it looks at the map. That is slow, as such queries
 * are in real shops.
 */
export async function findNearby(
  database: Database,
  place: Place,
  radiusKm: number,
  atMost: number,
): Promise<NearbyEvent[]> {
  const capacity = database.$with('capacity').as(
    database
      .select({ venueId: seats.venueId, seats: count().as('capacity_seats') })
      .from(seats)
      .groupBy(seats.venueId),
  );
  const sold = database.$with('sold').as(
    database
      .select({ eventId: orders.eventId, seats: count().as('sold_seats') })
      .from(orders)
      .groupBy(orders.eventId),
  );
  const distance = distanceKm(place);

  return database
    .with(capacity, sold)
    .select({ id: events.id, distanceKm: sql`round(${distance}::numeric, 1)`.mapWith(Number) })
    .from(events)
    .innerJoin(venues, eq(venues.id, events.venueId))
    .innerJoin(capacity, eq(capacity.venueId, venues.id))
    .leftJoin(sold, eq(sold.eventId, events.id))
    .where(and(lte(distance, radiusKm), lt(sql`coalesce(${sold.seats}, 0)`, capacity.seats)))
    .orderBy(asc(distance), asc(events.id))
    .limit(atMost);
}

/** One event with its venue and the seats that are left. */
export async function findEvent(database: Database, id: number): Promise<ShopEvent | undefined> {
  const [event] = await database
    .select({
      id: events.id,
      title: events.title,
      startsAt: events.startsAt,
      price: events.price,
      venue: { name: venues.name, city: cities.name, country: cities.country },
      seatsLeft: sql`
        (select count(*) from ${seats} where ${seats.venueId} = ${events.venueId}) -
        (select count(*) from ${orders} where ${orders.eventId} = ${events.id})`.mapWith(Number),
    })
    .from(events)
    .innerJoin(venues, eq(venues.id, events.venueId))
    .innerJoin(cities, eq(cities.id, venues.cityId))
    .where(eq(events.id, id));
  return event && { ...event, startsAt: event.startsAt.toISOString() };
}

/** The haversine of a venue and a place, on a sphere of the Earth's mean radius. */
function distanceKm({ latitude, longitude }: Place): SQL<number> {
  return sql<number>`12742 * asin(sqrt(
    sin(radians(${venues.latitude} - ${latitude}) / 2) ^ 2 +
    cos(radians(${latitude})) * cos(radians(${venues.latitude})) * sin(radians(${venues.longitude} - ${longitude}) / 2) ^ 2
  ))`;
}
