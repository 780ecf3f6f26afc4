import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { DiscoveryModule, ModuleRef } from '@nestjs/core';
import { RedisConnections, type AsyncModuleOptions } from '@nuthatch/redis';
import { asyncOptionsProviders, joinKey, ServerConnection } from '@nuthatch/redis/internal';
import { CacheDecoratorWiring } from './decorators/cache-decorator-wiring.js';
import { CacheOptionsError } from './cache.errors.js';
import { resolveCacheOptions, type CacheModuleOptions } from './cache.options.js';
import { CacheService } from './cache.service.js';
import { CacheCore } from './cache-core.js';
import { MemoryCacheDriver } from './drivers/memory.driver.js';
import { RedisCacheDriver } from './drivers/redis.driver.js';
import type { AnyCacheDefinition } from './typed/cache-definition.js';
import { CacheFeatureModule, type CacheFeatureOptions } from './typed/cache-feature.module.js';
import { TYPED_CACHES, TypedCaches } from './typed/typed-caches.js';
import { CacheWarmer } from './warming/cache-warmer.js';
import { warmingProviders } from './warming/warming.providers.js';

export type CacheModuleAsyncOptions = AsyncModuleOptions<Omit<CacheModuleOptions, 'isGlobal'>>;

const OPTIONS = Symbol('@nuthatch/cache:options');

/** Provides {@link CacheService} and the decorators. Needs RedisModule in the root module. */
@Module({})
export class CacheModule {
  /** @throws CacheOptionsError that lists every wrong option. */
  static forRoot(options: CacheModuleOptions = {}): DynamicModule {
    resolveCacheOptions(options);
    return assemble(options.isGlobal, [{ provide: OPTIONS, useValue: options }]);
  }

  /** The same with options from a factory, a class or an existing provider. */
  static forRootAsync(options: CacheModuleAsyncOptions): DynamicModule {
    const providers = asyncOptionsProviders(OPTIONS, options, (mistake) => new CacheOptionsError([mistake]));
    return { ...assemble(options.isGlobal, providers), imports: [DiscoveryModule, ...(options.imports ?? [])] };
  }

  /**
   * Provides the typed caches of these definitions, for `@InjectCache()` in the module that imports it.
   *
   * @throws CacheOptionsError for what is no definition. The application does not start with two definitions of one name.
   */
  static forFeature(definitions: readonly AnyCacheDefinition[], options?: CacheFeatureOptions): DynamicModule {
    return CacheFeatureModule.with(definitions, options);
  }
}

function assemble(isGlobal = true, options: Provider[]): DynamicModule {
  const core: Provider = { provide: CacheCore, inject: [OPTIONS, RedisConnections], useFactory: createCore };
  const service: Provider = { provide: CacheService, inject: [CacheCore], useFactory: createService };
  const typed: Provider = {
    provide: TYPED_CACHES,
    inject: [CacheCore, CacheService, ModuleRef],
    useFactory: (core: CacheCore, cache: CacheService, modules: ModuleRef) => new TypedCaches(core, cache, modules),
  };
  return {
    module: CacheModule,
    global: isGlobal,
    imports: [DiscoveryModule],
    providers: [
      ...options,
      core,
      service,
      typed,
      CacheDecoratorWiring,
      ...warmingProviders(OPTIONS, resolveCacheOptions),
    ],
    exports: [CacheService, TYPED_CACHES, CacheDecoratorWiring, CacheWarmer],
  };
}

function createCore(raw: CacheModuleOptions, connections: RedisConnections): CacheCore {
  const options = resolveCacheOptions(raw);
  const connection = connections.get(options.connection);
  const root = `${joinKey([connections.namespace, 'cache'])}:`;
  const driver =
    connection instanceof ServerConnection
      ? new RedisCacheDriver(connection, {
          root,
          timeoutMs: options.redisTimeoutMs,
          binary: options.compress !== false || options.encrypt !== false,
          coherence: options.coherence === 'broadcast' ? 'broadcast' : 'tracking',
        })
      : new MemoryCacheDriver();
  return new CacheCore(driver, options, root, connection);
}

function createService(core: CacheCore): CacheService {
  return new CacheService(core, core.scope(core.options.namespace), core.options);
}
