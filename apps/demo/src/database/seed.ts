import type { PGlite } from '@electric-sql/pglite';
import { ADD_CONSTRAINTS, CREATE_TABLES } from './create-tables.js';
import { geonames } from './geonames.js';
import { placeKey } from './place-key.js';

const SMALLEST_CITY_WITH_VENUES = 100_000;

// Arithmetic on the ids stands in for chance, so that every start sells the same tickets.
const FILL_TABLES = [
  `insert into venues (city_id, name, latitude, longitude)
    select c.id, c.name || ' ' || (array['Arena', 'Theatre', 'Concert Hall', 'Jazz Club'])[n],
      c.latitude + ((c.id * 37::bigint + n * 101) % 97 - 48) * 0.001,
      c.longitude + ((c.id * 53::bigint + n * 89) % 97 - 48) * 0.001
    from cities c, generate_series(1, 4) n
    where c.population >= ${SMALLEST_CITY_WITH_VENUES}
    order by c.population desc, c.id, n`,

  `insert into events (venue_id, title, starts_at, price)
    select v.id,
      (array['Hamlet', 'Carmen', 'Swan Lake', 'The Magic Flute', 'An Evening of Chopin', 'Big Band Sunday', 'The Seagull',
        'Stand-up Saturday', 'The Planets', 'Giselle', 'A Night of Tango', 'Open Mic', 'Tosca', 'The Nutcracker', 'Blues at Nine',
        'String Quartets'])[1 + (v.id * 5 + n * 7) % 16],
      current_date + make_interval(days => 7 * n + v.id % 7, hours => 18 + v.id % 4),
      15 + (v.id * 11 + n * 17) % 80 + 0.50 * (n % 2)
    from venues v, generate_series(1, 8) n
    order by v.id, n`,

  `insert into seats (venue_id, "row", number)
    select v.id, chr(65 + n / 10), 1 + n % 10
    from venues v, generate_series(0, 19) n
    order by v.id, n`,

  // Every 16th event is sold out; of the others a sixth of the seats is gone.
  `insert into orders (event_id, seat_id)
    select e.id, s.id
    from events e join seats s on s.venue_id = e.venue_id
    where e.id % 16 = 0 or (e.id * 7 + s.id * 13) % 6 = 0`,
];

/**
 * Creates the tables and fills them: the cities from GeoNames, and for every big one four venues with eight events each.
 *
 * @param cityLimit loads only so many cities, the largest first; all when absent.
 */
export async function seed(postgres: PGlite, cityLimit?: number): Promise<void> {
  await postgres.exec(CREATE_TABLES);
  await postgres.query(`copy cities from '/dev/blob' (format csv)`, [], { blob: new Blob([citiesAsCsv(cityLimit)]) });
  for (const statement of [...FILL_TABLES, ...ADD_CONSTRAINTS]) await postgres.query(statement);
}

function citiesAsCsv(limit?: number): string {
  return geonames()
    .slice(0, limit)
    .map(
      ({
        cityId,
        name,
        country,
        population,
        loc: {
          coordinates: [longitude, latitude],
        },
      }) => [cityId, quoted(name), quoted(placeKey(name)), country, population, latitude, longitude].join(','),
    )
    .join('\n');
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
