import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { CacheModule } from '@nuthatch/cache';
import { RedisModule, redisOptionsFromEnv } from '@nuthatch/redis';
import { CatalogueModule } from './catalogue/catalogue.module.js';
import { DatabaseModule } from './database/database.module.js';
import { HealthModule } from './health/health.module.js';
import { RedisAwayFilter } from './http/redis-away.filter.js';

export interface AppOptions {
  /** Where `REDIS_URL` and its companions are read. @default process.env */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Prefixes every key in Redis. @default 'demo' */
  readonly namespace?: string | undefined;
  /** How many cities are loaded, the largest first. @default all 135,000 */
  readonly cities?: number | undefined;
}

@Module({})
export class AppModule {
  static forRoot({ env, namespace = 'demo', cities }: AppOptions = {}): DynamicModule {
    return {
      module: AppModule,
      imports: [
        RedisModule.forRoot({ ...redisOptionsFromEnv(env), namespace }),
        CacheModule.forRoot({ ttl: '1m' }),
        DatabaseModule.forRoot(cities),
        CatalogueModule,
        HealthModule,
      ],
      providers: [{ provide: APP_FILTER, useClass: RedisAwayFilter }],
    };
  }
}
