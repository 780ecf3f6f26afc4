import { Inject, Injectable } from '@nestjs/common';
import { Cacheable, Warm, type WarmContext } from '@nuthatch/cache';
import { asc, count, desc, eq } from 'drizzle-orm';
import type { ShopEvent } from '../catalogue/events.queries.js';
import { EventsService } from '../catalogue/events.service.js';
import { DATABASE, type Database } from '../database/database.js';
import { events, orders } from '../database/schema.js';

const MOST_POPULAR = 20;

@Injectable()
export class PopularEventsService {
  readonly #database: Database;
  readonly #events: EventsService;

  constructor(@Inject(DATABASE) database: Database, events: EventsService) {
    this.#database = database;
    this.#events = events;
  }

  /** The events that have sold the most tickets. As in every list, the events themselves come from their own entries. */
  async list(): Promise<ShopEvent[]> {
    return Promise.all((await this.ids()).map((id) => this.#events.find(id)));
  }

  /** It counts all orders, so it is slow. */
  @Cacheable<PopularEventsService['ids']>({ key: 'popular-events', ttl: '5m', refreshAhead: 0.5 })
  async ids(): Promise<readonly number[]> {
    const rows = await this.#database
      .select({ id: events.id })
      .from(events)
      .innerJoin(orders, eq(orders.eventId, events.id))
      .groupBy(events.id)
      .orderBy(desc(count()), asc(events.startsAt), asc(events.id))
      .limit(MOST_POPULAR);
    return rows.map(({ id }) => id);
  }

  /** One event after the other: customers need the database, too. */
  @Warm({ name: 'popular-events' })
  async warm({ signal }: WarmContext): Promise<number> {
    const ids = await this.ids();
    for (const id of ids) {
      signal.throwIfAborted();
      await this.#events.find(id);
    }
    return ids.length + 1;
  }
}
