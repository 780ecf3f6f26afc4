import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  NotFoundException,
  Param,
  Put,
  UseInterceptors,
} from '@nestjs/common';
import { CacheService, InjectCache, type CacheOf } from '@nuthatch/cache';
import { EventParams } from '../catalogue/events.dto.js';
import { HitOrMissInterceptor } from '../http/hit-or-miss.interceptor.js';
import { CacheCatalogue, type CacheLine } from './cache-catalogue.js';
import { CartBody, CityParams, CustomerParams } from './caches.dto.js';
import {
  cartsCache,
  customersCache,
  featureFlagsCache,
  forecastsCache,
  venueListsCache,
  venuesCache,
  type Cart,
} from './caches.js';
import type { Customer, Forecast } from './shop.queries.js';
import type { VenueDetail } from './venue-detail.js';

/** What the caches of this folder are for. */
@Controller()
@UseInterceptors(HitOrMissInterceptor)
export class CachesController {
  @InjectCache(customersCache)
  private readonly customers!: CacheOf<typeof customersCache>;

  @InjectCache(cartsCache)
  private readonly carts!: CacheOf<typeof cartsCache>;

  @InjectCache(venuesCache)
  private readonly venues!: CacheOf<typeof venuesCache>;

  @InjectCache(venueListsCache)
  private readonly venueLists!: CacheOf<typeof venueListsCache>;

  @InjectCache(forecastsCache)
  private readonly forecasts!: CacheOf<typeof forecastsCache>;

  @InjectCache(featureFlagsCache)
  private readonly featureFlags!: CacheOf<typeof featureFlagsCache>;

  constructor(
    private readonly catalogue: CacheCatalogue,
    private readonly cache: CacheService,
  ) {}

  @Get('caches')
  list(): CacheLine[] {
    return this.catalogue.lines();
  }

  /** A list and its items: whatever is missing takes two queries. */
  @Get('cities/:city/venues')
  async venuesOf(@Param() { city }: CityParams): Promise<VenueDetail[]> {
    const ids = await this.venueLists.get(city);
    const venues = await Promise.all(ids.map((id) => this.venues.get(id)));
    return venues.filter((venue) => venue !== undefined);
  }

  @Get('events/:id/forecast')
  async forecast(@Param() { id }: EventParams): Promise<Forecast> {
    return (await this.forecasts.get(Number(id))) ?? missing('event', id);
  }

  @Get('customers/:id')
  async customer(@Param() { id }: CustomerParams): Promise<Customer> {
    return (await this.customers.get(Number(id))) ?? missing('customer', id);
  }

  @Get('customers/:id/flags')
  async flags(@Param() { id }: CustomerParams): Promise<Record<string, boolean>> {
    return this.featureFlags.get(Number(id));
  }

  /** Nothing of the customer stays in a cache, whichever it is. */
  @Delete('customers/:id/traces')
  @HttpCode(204)
  async forget(@Param() { id }: CustomerParams): Promise<void> {
    await this.cache.invalidateTags(`customer:${Number(id)}`);
  }

  @Get('carts/:id')
  async cart(@Param() { id }: CustomerParams): Promise<Cart> {
    return (await this.carts.get(Number(id))) ?? missing('cart', id);
  }

  @Put('carts/:id')
  async fill(@Param() { id }: CustomerParams, @Body() { eventId, seats }: CartBody): Promise<Cart> {
    const cart = { eventId, seats };
    await this.carts.set(Number(id), cart);
    return cart;
  }
}

function missing(what: string, id: string): never {
  throw new NotFoundException(`There is no ${what} ${id}.`);
}
