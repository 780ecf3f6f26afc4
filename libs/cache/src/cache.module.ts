import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { RedisConnections, type AsyncModuleOptions } from '@nuthatch/redis';
import { asyncOptionsProviders, joinKey, ServerConnection } from '@nuthatch/redis/internal';
import { CacheDecoratorWiring } from './cache-decorator-wiring.js';
import { CacheOptionsError } from './cache.errors.js';
import { resolveCacheOptions, type CacheModuleOptions } from './cache.options.js';
import { CacheService } from './cache.service.js';
import { MemoryCacheDriver } from './drivers/memory.driver.js';
import { RedisCacheDriver } from './drivers/redis.driver.js';

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
    return { ...assemble(options.isGlobal, providers), imports: options.imports ?? [] };
  }
}

function assemble(isGlobal = true, options: Provider[]): DynamicModule {
  const service: Provider = { provide: CacheService, inject: [OPTIONS, RedisConnections], useFactory: createService };
  return {
    module: CacheModule,
    global: isGlobal,
    providers: [...options, service, CacheDecoratorWiring],
    exports: [CacheService, CacheDecoratorWiring],
  };
}

function createService(raw: CacheModuleOptions, connections: RedisConnections): CacheService {
  const options = resolveCacheOptions(raw);
  const connection = connections.get(options.connection);
  const driver = connection instanceof ServerConnection ? new RedisCacheDriver(connection) : new MemoryCacheDriver();
  return new CacheService(driver, options, `${joinKey([connections.namespace, 'cache'])}:`);
}
