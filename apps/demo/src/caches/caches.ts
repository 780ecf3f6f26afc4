import { defineCache } from '@nuthatch/cache';
import { placeKey } from '../database/place-key.js';
import { classSchema } from './class-schema.js';
import { ShopQueries, type Customer, type Forecast } from './shop.queries.js';
import { VenueDetail } from './venue-detail.js';

// The catalogue of what a shop caches, and for how long: the longer, the less it changes and the less it matters.

/** A user: changes seldom, and is asked for with nearly every request. */
export const customersCache = defineCache({
  name: 'customer',
  key: (id: number) => [id],
  ttl: '1h',
  negativeTtl: '1m',
  tags: (id) => [`customer:${id}`],
  inject: { shop: ShopQueries },
  load: (id, { shop }): Promise<Customer | null> => shop.findCustomer(id),
});

/** Like a session: nobody else knows it, so there is no loader. */
export const cartsCache = defineCache<[customer: number], Cart>({
  name: 'cart',
  key: (customer) => [customer],
  ttl: '30m',
  jitter: 0,
  tags: (customer) => [`customer:${customer}`],
});

export interface Cart {
  readonly eventId: number;
  readonly seats: number;
}

/** An item: the same for everybody. What a page shows of them is loaded by one query. */
export const venuesCache = defineCache({
  name: 'venue',
  key: (id: number) => [id],
  ttl: '4h',
  grace: '1d',
  // What another version of the shop has cached and has not all that this one shows is loaded anew.
  schema: classSchema(VenueDetail),
  inject: { shop: ShopQueries },
  loadMany: async (calls, { shop }) => {
    const venues = await shop.findVenues(calls.map(([id]) => id));
    return calls.map(([id]) => venues.get(id));
  },
});

/** A list: only ids, so that no change of an item makes it wrong. */
export const venueListsCache = defineCache({
  name: 'venues-of',
  key: (city: string) => [placeKey(city)],
  ttl: '6h',
  inject: { shop: ShopQueries },
  load: (city, { shop }) => shop.findVenueIds(city),
});

/** A prediction: dear, and wrong anyway. Nobody waits for the next one while there is the last one. */
export const forecastsCache = defineCache({
  name: 'forecast',
  key: (eventId: number) => [eventId],
  ttl: '15m',
  grace: '1h',
  refreshAhead: 0.8,
  // Raise it with the model.
  version: 2,
  inject: { shop: ShopQueries },
  load: (eventId, { shop }): Promise<Forecast | null> => shop.forecast(eventId),
});

/** Feature flags of a customer: whoever switches one wants to see it soon, and trouble with flags must not close the shop. */
export const featureFlagsCache = defineCache({
  name: 'feature-flags',
  key: (customer: number) => [customer],
  ttl: '5m',
  grace: '1d',
  softTimeout: '100ms',
  inject: { shop: ShopQueries },
  load: (customer, { shop }) => shop.flagsOf(customer),
});
