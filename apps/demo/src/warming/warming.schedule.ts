import { Injectable, Logger } from '@nestjs/common';
import { Cron, CronExpression } from '@nestjs/schedule';
import { CacheWarmer } from '@nuthatch/cache';

/** Keeps warm what is asked for all day. The clock strikes in every instance of the shop, and one of them warms. */
@Injectable()
export class WarmingSchedule {
  readonly #warmer: CacheWarmer;
  readonly #logger = new Logger('Warming');

  constructor(warmer: CacheWarmer) {
    this.#warmer = warmer;
  }

  @Cron(CronExpression.EVERY_MINUTE)
  async warm(): Promise<void> {
    const report = await this.#warmer.warm();
    this.#logger.log(String(report));
  }
}
