import { Injectable, Logger } from '@nestjs/common';
import { Cron, CronExpression } from '@nestjs/schedule';
import { currentLock, ScheduledLock } from '@nuthatch/lock';
import { BookingService } from './booking.service.js';

/** Frees seats that were not paid in time. The clock strikes in every instance of the shop, and one of them does it. */
@Injectable()
export class BookingSchedule {
  readonly #booking: BookingService;
  readonly #logger = new Logger('Booking');

  constructor(booking: BookingService) {
    this.#booking = booking;
  }

  @Cron(CronExpression.EVERY_MINUTE)
  @ScheduledLock('release-stale-reservations', { atMostFor: '10m', atLeastFor: '30s' })
  async release(): Promise<void> {
    const released = await this.#booking.releaseStale(currentLock().signal);
    if (released > 0) this.#logger.log(`Freed ${released} seats that were not paid in time.`);
  }
}
