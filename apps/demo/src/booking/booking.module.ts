import { Module, type DynamicModule } from '@nestjs/common';
import { CatalogueModule } from '../catalogue/catalogue.module.js';
import { OPERATOR_ENV } from '../limits/operator.guard.js';
import { BookingController } from './booking.controller.js';
import { BookingSchedule } from './booking.schedule.js';
import { BookingService } from './booking.service.js';
import { LocksOperatorController } from './locks-operator.controller.js';
import { Till } from './till.js';

/** Seats that are reserved and sold, each under its lock. The schedule needs ScheduleModule, which WarmingModule brings. */
@Module({})
export class BookingModule {
  static forRoot(env: NodeJS.ProcessEnv = process.env): DynamicModule {
    return {
      module: BookingModule,
      imports: [CatalogueModule],
      controllers: [BookingController, LocksOperatorController],
      providers: [{ provide: OPERATOR_ENV, useValue: env }, BookingService, BookingSchedule, Till],
    };
  }
}
