import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { RedisConnections, type AsyncModuleOptions } from '@nuthatch/redis';
import { asyncOptionsProviders, joinKey, ServerConnection } from '@nuthatch/redis/internal';
import { MemoryRateLimitDriver } from './drivers/memory.driver.js';
import { RedisRateLimitDriver } from './drivers/redis.driver.js';
import { GUARD_PORTS, type GuardPorts } from './guard/guard.tokens.js';
import { GUARD_EXPORTS, guardProviders } from './guard/guard.providers.js';
import { LimitHeaders } from './http/limit-headers.js';
import { PartitionKeys } from './http/partition-key.js';
import { Instances } from './instances.js';
import { networksOf } from './ip/ip-networks.js';
import { ProxyWatch } from './ip/proxy-watch.js';
import { LeasingRateLimitDriver } from './leasing/leasing.driver.js';
import { createExtras } from './limit-extras.js';
import { forgetAll } from './news/forget-all.js';
import { RedisLimitNews } from './news/redis-news.js';
import { RedisOverrideStore } from './overrides/redis-override-store.js';
import { RateLimitCore } from './rate-limit-core.js';
import { RateLimitOptionsError } from './rate-limit.errors.js';
import { resolveRateLimitOptions, type RateLimitModuleOptions } from './rate-limit.options.js';
import { RateLimiter } from './rate-limiter.js';
import { RedisTopStore } from './top/redis-top-store.js';

export type RateLimitModuleAsyncOptions = AsyncModuleOptions<Omit<RateLimitModuleOptions, 'isGlobal'>>;

const OPTIONS = Symbol('@nuthatch/rate-limit:options');

/** Provides {@link RateLimiter}, and guards the calls of the application. Needs RedisModule in the root module. */
@Module({})
export class RateLimitModule {
  /** @throws RateLimitOptionsError that lists every wrong option. */
  static forRoot(options: RateLimitModuleOptions = {}): DynamicModule {
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
  const proxyCheck: Provider = {
    provide: ProxyWatch,
    inject: [RateLimitCore, HttpAdapterHost],
    useFactory: ({ options: { policies } }: RateLimitCore, host: HttpAdapterHost) =>
      new ProxyWatch(policies, () => host.httpAdapter),
  };
  const ports: Provider = { provide: GUARD_PORTS, inject: [RateLimitCore, ProxyWatch], useFactory: createPorts };
  return {
    module: RateLimitModule,
    global: isGlobal,
    providers: [...options, core, limiter, proxyCheck, ports, ...guardProviders()],
    exports: [RateLimiter, ...GUARD_EXPORTS],
  };
}

function createCore(raw: RateLimitModuleOptions, connections: RedisConnections): RateLimitCore {
  const options = resolveRateLimitOptions(raw);
  const connection = connections.get(options.connection);
  const root = `${joinKey([connections.namespace, 'limit'])}:`;
  if (!(connection instanceof ServerConnection))
    return new RateLimitCore(new MemoryRateLimitDriver(), options, root, undefined, createExtras(options));
  const news = new RedisLimitNews(connection, root);
  const redis = new RedisRateLimitDriver(connection, options.redisTimeoutMs, (keys) => forgetAll(news, keys));
  const driver = new LeasingRateLimitDriver(redis);
  news.on({
    told: (message) => {
      if (message.kind === 'forget' && message.key !== undefined) driver.forget(message.key, message.ids);
    },
    armed: () => undefined,
    gap: () => undefined,
  });
  const shared = {
    news,
    overrides: new RedisOverrideStore(connection, root),
    top: new RedisTopStore(connection, root),
  };
  const extras = createExtras(options, shared, () => driver.close());
  return new RateLimitCore(driver, options, root, new Instances(connection, `${root}instances`), extras);
}

function createPorts(core: RateLimitCore, proxies: ProxyWatch): GuardPorts {
  const { options } = core;
  return {
    gate: core,
    registry: options.policies,
    headers: new LimitHeaders(options.headers, new PartitionKeys(options.headerSecret)),
    networksOf: (address) => networksOf(address, options.ip),
    requestOf: options.requestOf,
    onRequest: (request) => proxies.see(request),
  };
}
