import { Inject, Injectable } from '@nestjs/common';
import { Cacheable } from '@nuthatch/cache';
import { DATABASE, type Database } from '../database/database.js';
import { findVenuesByName, type FoundVenue } from './search.queries.js';

const MOST_FOUND = 20;

@Injectable()
export class SearchService {
  readonly #database: Database;

  constructor(@Inject(DATABASE) database: Database) {
    this.#database = database;
  }

  /** At most 20. */
  @Cacheable<SearchService['venues']>({ key: (text) => ['search', text.toLowerCase()], ttl: '1m' })
  venues(text: string): Promise<readonly FoundVenue[]> {
    return findVenuesByName(this.#database, text, MOST_FOUND);
  }
}
