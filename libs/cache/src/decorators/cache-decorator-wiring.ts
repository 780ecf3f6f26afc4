import { Injectable } from '@nestjs/common';
import { aroundMethod } from '@nuthatch/redis/internal';
import { CacheService } from '../cache.service.js';
import { MethodKeys } from './method-key.js';

/** What the decorators need of the application that the decorated object belongs to. */
@Injectable()
export class CacheDecoratorWiring {
  readonly keys = new MethodKeys();

  constructor(readonly cache: CacheService) {}
}

export const aroundCachedMethod = aroundMethod(
  CacheDecoratorWiring,
  'Import CacheModule.forRoot() in the root module to use @Cacheable(), @CachePut() and @CacheInvalidate().',
);
