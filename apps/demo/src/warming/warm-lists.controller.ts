import { Controller, Get, Param, UseInterceptors } from '@nestjs/common';
import { Matches } from 'class-validator';
import type { ShopEvent } from '../catalogue/events.queries.js';
import { HitOrMissInterceptor } from '../http/hit-or-miss.interceptor.js';
import { FeatureFlagsService, type FeatureFlags } from './feature-flags.service.js';
import { PopularEventsService } from './popular-events.service.js';
import { VenuesService, type Venue } from './venues.service.js';

/** `/venues/:country`. */
export class VenuesParams {
  @Matches(/^[a-z]{2}$/i, { message: 'country must be a code of two letters, such as PT' })
  readonly country!: string;
}

/** What the shop warms, so that nobody is the first to ask for it. */
@Controller()
@UseInterceptors(HitOrMissInterceptor)
export class WarmListsController {
  readonly #popular: PopularEventsService;
  readonly #venues: VenuesService;
  readonly #flags: FeatureFlagsService;

  constructor(popular: PopularEventsService, venues: VenuesService, flags: FeatureFlagsService) {
    this.#popular = popular;
    this.#venues = venues;
    this.#flags = flags;
  }

  @Get('popular')
  popular(): Promise<readonly ShopEvent[]> {
    return this.#popular.list();
  }

  @Get('venues/:country')
  venues(@Param() { country }: VenuesParams): Promise<readonly Venue[]> {
    return this.#venues.inCountry(country);
  }

  @Get('flags')
  flags(): Promise<FeatureFlags> {
    return this.#flags.all();
  }
}
