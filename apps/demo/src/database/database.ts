import { PGlite } from '@electric-sql/pglite';
import { Logger } from '@nestjs/common';
import { drizzle } from 'drizzle-orm/pglite';
import { tallyQueries } from './query-tally.js';
import * as schema from './schema.js';
import { seed } from './seed.js';

export type Database = Awaited<ReturnType<typeof openDatabase>>;

/** Injection token of the {@link Database}. */
export const DATABASE = Symbol('DATABASE');

/** A Postgres in this process and in memory, filled with the ticket shop's data. */
export async function openDatabase(cityLimit?: number) {
  const logger = new Logger('Database');
  const startedAt = performance.now();
  logger.log('Starting Postgres and filling it with the cities of GeoNames: this takes some seconds ...');
  const postgres = await PGlite.create();
  await seed(postgres, cityLimit);
  logger.log(`The database is ready after ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`);
  return drizzle({ client: postgres, schema, logger: tallyQueries });
}
