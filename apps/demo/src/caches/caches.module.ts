import { Module } from '@nestjs/common';
import { CacheModule } from '@nuthatch/cache';
import { CacheCatalogue, CACHES } from './cache-catalogue.js';
import { CachesController } from './caches.controller.js';
import { ShopQueries } from './shop.queries.js';

/** Typed caches: what a shop caches, and for how long. */
@Module({
  imports: [CacheModule.forFeature(CACHES)],
  controllers: [CachesController],
  providers: [CacheCatalogue, ShopQueries],
})
export class CachesModule {}
