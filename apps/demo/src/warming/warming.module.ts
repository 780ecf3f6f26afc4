import { Module, type DynamicModule } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { CatalogueModule } from '../catalogue/catalogue.module.js';
import { FeatureFlagsService, FLAG_ENV } from './feature-flags.service.js';
import { PopularEventsService } from './popular-events.service.js';
import { VenuesService } from './venues.service.js';
import { WarmListsController } from './warm-lists.controller.js';
import { WarmingSchedule } from './warming.schedule.js';

/** What the shop warms: popular events, venue lists, feature flags; at boot by `@Warm()`, then every minute. */
@Module({})
export class WarmingModule {
  static forRoot(env: NodeJS.ProcessEnv = process.env): DynamicModule {
    return {
      module: WarmingModule,
      imports: [ScheduleModule.forRoot(), CatalogueModule],
      controllers: [WarmListsController],
      providers: [
        { provide: FLAG_ENV, useValue: env },
        FeatureFlagsService,
        PopularEventsService,
        VenuesService,
        WarmingSchedule,
      ],
    };
  }
}
