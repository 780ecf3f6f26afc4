import { Inject, Injectable, NotFoundException } from '@nestjs/common';
import { Cacheable, CacheInvalidate } from '@nuthatch/cache';
import { eq } from 'drizzle-orm';
import { DATABASE, type Database } from '../database/database.js';
import { DrizzleTransactions } from '../database/drizzle-transactions.js';
import { placeKey } from '../database/place-key.js';
import { events } from '../database/schema.js';
import { invalidInput } from '../http/invalid-input.js';
import type { ChangeEventBody, FindEventsQuery } from './events.dto.js';
import { findEvent, findNearby, findPlace, type NearbyEvent, type ShopEvent } from './events.queries.js';

/** How far one can page. It bounds the list that is cached. */
const NEAREST = 500;

interface Neighbourhood {
  readonly city: string;
  readonly country: string;
  readonly events: readonly NearbyEvent[];
}

export interface EventPage {
  readonly near: { readonly city: string; readonly country: string; readonly radius: string };
  /** How many events there are on all pages; at most 500. */
  readonly total: number;
  readonly page: number;
  readonly events: readonly (ShopEvent & NearbyEvent)[];
}

@Injectable()
export class EventsService {
  readonly #database: Database;
  readonly #transactions: DrizzleTransactions;

  constructor(@Inject(DATABASE) database: Database, transactions: DrizzleTransactions) {
    this.#database = database;
    this.#transactions = transactions;
  }

  /** One page of the events near a city, the nearest first. */
  async findNear({ near, country, radius, limit, page }: FindEventsQuery): Promise<EventPage> {
    const { events: nearby, ...place } = await this.neighbourhood(near, radius, country);
    const shown = nearby.slice((page - 1) * limit, page * limit);
    return {
      near: { ...place, radius },
      total: nearby.length,
      page,
      events: await Promise.all(shown.map(async (found) => ({ ...(await this.find(found.id)), ...found }))),
    };
  }

  /** @throws NotFoundException when there is no such event. */
  @Cacheable<EventsService['find']>({ key: (id) => ['event', id], ttl: '5m' })
  async find(id: number): Promise<ShopEvent> {
    const event = await findEvent(this.#database, id);
    if (!event) throw new NotFoundException(`There is no event ${id}.`);
    return event;
  }

  /**
   * Changes the event in a transaction, which is part of that of the caller if there is one: then the cache shows the old
   * event until all of it is committed.
   *
   * @throws NotFoundException when there is no such event.
   */
  @CacheInvalidate<EventsService['change']>({ keys: (id) => [['event', id]], when: 'after-commit' })
  async change(id: number, { startsAt, ...change }: ChangeEventBody): Promise<void> {
    await this.#transactions.run(async (tx) => {
      const changed = await tx
        .update(events)
        .set({ ...change, ...(startsAt !== undefined && { startsAt: new Date(startsAt) }) })
        .where(eq(events.id, id))
        .returning({ id: events.id });
      if (changed.length === 0) throw new NotFoundException(`There is no event ${id}.`);
    });
  }

  /**
   * The slow part. Only ids and distances are cached, which no change of title, price or time can make wrong:
   * the events themselves come from `find()`, so a PATCH is seen in every list at once.
   */
  @Cacheable<EventsService['neighbourhood']>({
    key: (near, radius, country = 'any') => ['near', placeKey(near), country.toUpperCase(), radius],
    ttl: '1m',
  })
  async neighbourhood(near: string, radius: string, country?: string): Promise<Neighbourhood> {
    const place = await findPlace(this.#database, near, country);
    if (!place)
      throw invalidInput({ field: 'near', message: `near must be the name of a city; none is called "${near}"` });
    const nearby = await findNearby(this.#database, place, Number.parseInt(radius), NEAREST);
    return { city: place.city, country: place.country, events: nearby };
  }
}
