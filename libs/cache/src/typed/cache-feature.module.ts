import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { CacheOptionsError } from '../cache.errors.js';
import type { AnyCacheDefinition } from './cache-definition.js';
import { getCacheToken } from './inject-cache.decorator.js';
import { TYPED_CACHES, type AnyTypedCache, type TypedCaches } from './typed-caches.js';

export interface CacheFeatureOptions {
  /** The CacheModule that holds the entries, where it is not global: what its `forRoot` has returned. */
  of?: DynamicModule;
}

/** Provides the typed caches of one `forFeature`. */
@Module({})
export class CacheFeatureModule {
  /** @throws CacheOptionsError for what is no definition */
  static with(definitions: readonly AnyCacheDefinition[], { of }: CacheFeatureOptions = {}): DynamicModule {
    if (!Array.isArray(definitions)) {
      throw new CacheOptionsError(['forFeature() was given no list. Write forFeature([usersCache]).']);
    }
    return {
      module: CacheFeatureModule,
      imports: of ? [of] : [],
      providers: definitions.map(providerOf),
      exports: definitions.map(getCacheToken),
    };
  }
}

function providerOf(definition: AnyCacheDefinition): Provider {
  return {
    provide: getCacheToken(definition),
    inject: [TYPED_CACHES],
    useFactory: (caches: TypedCaches): AnyTypedCache => caches.open(definition),
  };
}
