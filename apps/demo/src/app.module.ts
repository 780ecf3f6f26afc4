import { Module, type DynamicModule } from '@nestjs/common';
import { CacheModule } from '@nuthatch/cache';
import { LockModule } from '@nuthatch/lock';
import { RateLimitModule } from '@nuthatch/rate-limit';
import { RedisModule, redisOptionsFromEnv } from '@nuthatch/redis';
import { BookingModule } from './booking/booking.module.js';
import { CachesModule } from './caches/caches.module.js';
import { CatalogueModule } from './catalogue/catalogue.module.js';
import { DatabaseModule } from './database/database.module.js';
import { HealthModule } from './health/health.module.js';
import { LIMITS } from './limits/limits.js';
import { LimitsModule } from './limits/limits.module.js';
import { LoginModule } from './login/login.module.js';
import { WarmingModule } from './warming/warming.module.js';

export interface AppOptions {
  /** Where `REDIS_URL` and its companions, `OPERATOR_TOKEN` and `DEMO_SECRET` are read. @default process.env */
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
        // The shop opens once what everybody asks for is there.
        CacheModule.forRoot({ ttl: '1m', warming: { onBoot: 'wait' } }),
        LockModule.forRoot(),
        DatabaseModule.forRoot(cities),
        // Before the limits, some of which are those of users.
        LoginModule.forRoot(env),
        RateLimitModule.forRoot({ policies: LIMITS, defaults: ['api'] }),
        BookingModule.forRoot(env),
        CatalogueModule,
        CachesModule,
        HealthModule,
        LimitsModule.forRoot(env),
        WarmingModule.forRoot(env),
      ],
    };
  }
}
