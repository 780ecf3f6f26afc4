import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { RedisConnections, type AsyncModuleOptions } from '@nuthatch/redis';
import { asyncOptionsProviders, joinKey, ServerConnection } from '@nuthatch/redis/internal';
import { MemoryRateLimitDriver } from './drivers/memory.driver.js';
import { RedisRateLimitDriver } from './drivers/redis.driver.js';
import { Instances } from './instances.js';
import { RateLimitCore } from './rate-limit-core.js';
import { RateLimitOptionsError } from './rate-limit.errors.js';
import { resolveRateLimitOptions, type RateLimitModuleOptions } from './rate-limit.options.js';
import { RateLimiter } from './rate-limiter.js';

export type RateLimitModuleAsyncOptions = AsyncModuleOptions<Omit<RateLimitModuleOptions, 'isGlobal'>>;

const OPTIONS = Symbol('@nuthatch/rate-limit:options');

/** Provides {@link RateLimiter}. Needs RedisModule in the root module. */
@Module({})
export class RateLimitModule {
  /** @throws RateLimitOptionsError that lists every wrong option. */
  static forRoot(options: RateLimitModuleOptions): DynamicModule {
    resolveRateLimitOptions(options);
    return assemble(options.isGlobal, [{ provide: OPTIONS, useValue: options }]);
  }

  /** The same with options from a factory, a class or an existing provider. */
  static forRootAsync(options: RateLimitModuleAsyncOptions): DynamicModule {
    const providers = asyncOptionsProviders(OPTIONS, options, (mistake) => new RateLimitOptionsError([mistake]));
    return { ...assemble(options.isGlobal, providers), imports: [...(options.imports ?? [])] };
  }
}

function assemble(isGlobal = true, options: Provider[]): DynamicModule {
  const core: Provider = { provide: RateLimitCore, inject: [OPTIONS, RedisConnections], useFactory: createCore };
  const limiter: Provider = {
    provide: RateLimiter,
    inject: [RateLimitCore],
    useFactory: (from: RateLimitCore) => new RateLimiter(from),
  };
  return { module: RateLimitModule, global: isGlobal, providers: [...options, core, limiter], exports: [RateLimiter] };
}

function createCore(raw: RateLimitModuleOptions, connections: RedisConnections): RateLimitCore {
  const options = resolveRateLimitOptions(raw);
  const connection = connections.get(options.connection);
  const root = `${joinKey([connections.namespace, 'limit'])}:`;
  if (!(connection instanceof ServerConnection))
    return new RateLimitCore(new MemoryRateLimitDriver(), options, root, undefined);
  const driver = new RedisRateLimitDriver(connection, options.redisTimeoutMs);
  return new RateLimitCore(driver, options, root, new Instances(connection, `${root}instances`));
}
