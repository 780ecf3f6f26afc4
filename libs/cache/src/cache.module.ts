import {
  Module,
  type DynamicModule,
  type InjectionToken,
  type ModuleMetadata,
  type OptionalFactoryDependency,
  type Provider,
  type Type,
} from '@nestjs/common';
import { RedisConnections } from '@nuthatch/redis';
import { joinKey, ServerConnection } from '@nuthatch/redis/internal';
import { CacheDecoratorWiring } from './cache-decorator-wiring.js';
import { CacheOptionsError } from './cache.errors.js';
import { resolveCacheOptions, type CacheModuleOptions } from './cache.options.js';
import { CacheService } from './cache.service.js';
import { MemoryCacheDriver } from './drivers/memory.driver.js';
import { RedisCacheDriver } from './drivers/redis.driver.js';

/** What a factory returns; `isGlobal` belongs beside the factory, where Nest can still obey it. */
export type CacheAsyncOptions = Omit<CacheModuleOptions, 'isGlobal'>;

/** For `useClass` and `useExisting`. */
export interface CacheOptionsFactory {
  createCacheOptions(): CacheAsyncOptions | Promise<CacheAsyncOptions>;
}

export interface CacheModuleAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  /** @default true */
  isGlobal?: boolean;
  inject?: (InjectionToken | OptionalFactoryDependency)[];
  useFactory?: (...args: never[]) => CacheAsyncOptions | Promise<CacheAsyncOptions>;
  useClass?: Type<CacheOptionsFactory>;
  useExisting?: Type<CacheOptionsFactory>;
}

const OPTIONS = Symbol('@nuthatch/cache:options');

/** Provides {@link CacheService} and the decorators. Needs RedisModule in the root module. */
@Module({})
export class CacheModule {
  /** @throws CacheOptionsError that lists every wrong option. */
  static forRoot(options: CacheModuleOptions = {}): DynamicModule {
    resolveCacheOptions(options);
    return assemble(options.isGlobal, { provide: OPTIONS, useValue: options });
  }

  /** The same with options from a factory, a class or an existing provider: exactly one of them. */
  static forRootAsync(options: CacheModuleAsyncOptions): DynamicModule {
    return { ...assemble(options.isGlobal, ...asyncProviders(options)), imports: options.imports ?? [] };
  }
}

function assemble(isGlobal = true, ...options: Provider[]): DynamicModule {
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
  return new CacheService(driver, options, `${joinKey([connections.namespace, 'cache', options.namespace])}:`);
}

function asyncProviders(options: CacheModuleAsyncOptions): Provider[] {
  const { useFactory, useClass, useExisting, inject = [] } = options;
  if ([useFactory, useClass, useExisting].filter(Boolean).length !== 1) {
    throw new CacheOptionsError(['forRootAsync() needs exactly one of useFactory, useClass and useExisting.']);
  }
  if (useFactory) return [{ provide: OPTIONS, inject, useFactory }];
  const source = (useClass ?? useExisting)!;
  const factory: Provider = {
    provide: OPTIONS,
    inject: [source],
    useFactory: (from: CacheOptionsFactory) => from.createCacheOptions(),
  };
  return useClass ? [useClass, factory] : [factory];
}
