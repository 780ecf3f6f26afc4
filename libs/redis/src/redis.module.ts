import { Module, type DynamicModule, type FactoryProvider, type Provider } from '@nestjs/common';
import { asyncOptionsProviders, type AsyncModuleOptions } from './async-options.js';
import { RedisConnections } from './redis-connections.js';
import { EmbeddedConnectionError, RedisOptionsError, UnknownConnectionError } from './redis.errors.js';
import { resolveRedisOptions, type RedisModuleOptions } from './redis.options.js';
import { getRedisToken } from './redis.tokens.js';
import { unavailableClient } from './unavailable-client.js';

export interface RedisModuleAsyncOptions extends AsyncModuleOptions<Omit<RedisModuleOptions, 'isGlobal'>> {
  /**
   * The names that `@InjectRedis(name)` may ask for, beside `default`: Nest needs them before the factory has run.
   * @default []
   */
  injectable?: readonly string[];
}

const OPTIONS = Symbol('@nuthatch/redis:options');

/** Owns every Redis client of the application. Import it once, in the root module. */
@Module({})
export class RedisModule {
  /**
   * Without options: one embedded connection named `default`, so that the application runs without Redis.
   *
   * @throws RedisOptionsError that lists every wrong option.
   */
  static forRoot(options: RedisModuleOptions = {}): DynamicModule {
    const resolved = resolveRedisOptions(options);
    return assemble(options.isGlobal, [...resolved.connections.keys()], [{ provide: OPTIONS, useValue: options }]);
  }

  /** The same with options from a factory, a class or an existing provider. */
  static forRootAsync(options: RedisModuleAsyncOptions): DynamicModule {
    const { isGlobal, injectable = [], imports = [] } = options;
    const providers = asyncOptionsProviders(OPTIONS, options, (mistake) => new RedisOptionsError([mistake]));
    return { ...assemble(isGlobal, ['default', ...injectable], providers), imports };
  }
}

function assemble(isGlobal = true, names: readonly string[], options: Provider[]): DynamicModule {
  const connections: FactoryProvider = {
    provide: RedisConnections,
    inject: [OPTIONS],
    useFactory: (raw: RedisModuleOptions) => new RedisConnections(resolveRedisOptions(raw)),
  };
  const clients = names.map((name): FactoryProvider => ({
    provide: getRedisToken(name),
    inject: [RedisConnections],
    useFactory: (all: RedisConnections) => clientOf(all, name),
  }));
  return {
    module: RedisModule,
    global: isGlobal,
    providers: [...options, connections, ...clients],
    exports: [RedisConnections, ...clients.map(({ provide }) => provide)],
  };
}

function clientOf(all: RedisConnections, name: string): unknown {
  // `default` is injectable unasked, so its absence matters only to who uses it.
  if (name === 'default' && !all.names().includes(name)) {
    return unavailableClient(new UnknownConnectionError(name, all.names()));
  }
  const connection = all.get(name);
  if (connection.mode === 'embedded') return unavailableClient(new EmbeddedConnectionError(name, 'ioredis client'));
  return connection.client;
}
