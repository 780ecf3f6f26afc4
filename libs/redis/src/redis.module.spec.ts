import { afterEach, describe, expect, it } from '@jest/globals';
import { Inject, Injectable, Module, type DynamicModule, type Type } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { Test, type TestingModule } from '@nestjs/testing';
import { Cluster, Redis } from 'ioredis';
import { InjectRedis } from './inject-redis.decorator.js';
import { RedisConnections } from './redis-connections.js';
import { EmbeddedConnectionError, RedisOptionsError, UnknownConnectionError } from './redis.errors.js';
import { RedisModule, type RedisModuleAsyncOptions } from './redis.module.js';
import type { RedisModuleOptions } from './redis.options.js';
import type { OptionsFactory } from './async-options.js';
import { getRedisToken } from './redis.tokens.js';

const apps: TestingModule[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

/** An application, not yet started: nothing connects. */
async function compile(imports: (Type | DynamicModule)[], providers: Type[] = []): Promise<TestingModule> {
  const app = await Test.createTestingModule({ imports, providers }).compile();
  apps.push(app);
  return app;
}

async function start(imports: (Type | DynamicModule)[], providers: Type[] = []): Promise<TestingModule> {
  const app = await compile(imports, providers);
  return app.init();
}

@Injectable()
class Carts {
  constructor(@InjectRedis() readonly redis: Redis) {}
}

describe('RedisModule.forRoot()', () => {
  it('without options has one embedded connection', async () => {
    const app = await start([RedisModule.forRoot()]);

    const connections = app.get(RedisConnections);

    expect(connections.namespace).toBe('app');
    expect(connections.names()).toEqual(['default']);
    expect(connections.get()).toMatchObject({ name: 'default', mode: 'embedded', state: 'ready' });
    expect(await connections.get().ping()).toBe(0);
    expect(await connections.get().topology()).toEqual({ mode: 'embedded', masters: [], replicas: [], sentinels: [] });
  });

  it('gives the connections that are asked for, by name', async () => {
    const app = await compile([
      RedisModule.forRoot({
        namespace: 'shop',
        connections: {
          default: { mode: 'standalone', url: 'redis://localhost' },
          sessions: { mode: 'sentinel', name: 'm', sentinels: [{ host: 's', port: 26379 }] },
          queue: { mode: 'cluster', nodes: [{ host: 'n', port: 7000 }] },
        },
      }),
    ]);

    const connections = app.get(RedisConnections);

    expect(connections.namespace).toBe('shop');
    expect(connections.names().map((name) => connections.get(name).mode)).toEqual([
      'standalone',
      'sentinel',
      'cluster',
    ]);
    expect(connections.get('sessions')).toMatchObject({ name: 'sessions', state: 'connecting' });
  });

  it('names the mistakes before the application starts', () => {
    expect(() => RedisModule.forRoot({ connections: { default: { mode: 'standalone', url: 'localhost' } } })).toThrow(
      RedisOptionsError,
    );
  });

  it('says which connections there are when another is asked for', async () => {
    const app = await start([
      RedisModule.forRoot({ connections: { cache: { mode: 'embedded' }, queue: { mode: 'embedded' } } }),
    ]);

    const act = (): unknown => app.get(RedisConnections).get('sessions');

    expect(act).toThrow(UnknownConnectionError);
    expect(act).toThrow(
      'There is no Redis connection "sessions". Configured: "cache", "queue". Add it to "connections" of RedisModule.forRoot().',
    );
  });

  it('closes its connections with the application', async () => {
    const app = await start([RedisModule.forRoot()]);
    const connection = app.get(RedisConnections).get();

    await app.close();

    expect(connection.state).toBe('closed');
  });
});

describe('RedisModule in an application of several modules', () => {
  @Module({ providers: [Carts], exports: [Carts] })
  class CartsModule {}

  it('is visible everywhere', async () => {
    const app = await start([RedisModule.forRoot(), CartsModule]);

    expect(app.get(Carts)).toBeInstanceOf(Carts);
  });

  it('is visible only where it is imported when it is not global', async () => {
    const redis = RedisModule.forRoot({ isGlobal: false });

    @Module({ imports: [redis], providers: [Carts] })
    class OwnRedisModule {}

    await expect(start([OwnRedisModule])).resolves.toBeDefined();
    await expect(start([redis, CartsModule])).rejects.toThrow(/Nest can't resolve dependencies of the Carts/);
  });

  it('is visible only where it is imported when its asynchronous form is not global', async () => {
    await expect(
      start([RedisModule.forRootAsync({ isGlobal: false, useFactory: () => ({}) }), CartsModule]),
    ).rejects.toThrow(/Nest can't resolve dependencies of the Carts/);
  });

  it('can be imported by its class beside forRoot(), and the connections stay the same', async () => {
    @Module({ imports: [RedisModule] })
    class FeatureModule {}

    const app = await start([RedisModule.forRoot({ namespace: 'shop' }), RedisModule, FeatureModule], [Carts]);

    expect(app.get(RedisConnections).namespace).toBe('shop');
    expect(app.get(Carts)).toBeInstanceOf(Carts);
  });

  it('that is imported twice from one forRoot() has one set of connections', async () => {
    const redis = RedisModule.forRoot();

    @Injectable()
    class Left {
      constructor(readonly connections: RedisConnections) {}
    }
    @Injectable()
    class Right {
      constructor(readonly connections: RedisConnections) {}
    }
    @Module({ imports: [redis], providers: [Left] })
    class LeftModule {}
    @Module({ imports: [redis], providers: [Right] })
    class RightModule {}

    const app = await start([LeftModule, RightModule]);

    expect(app.get(Left).connections).toBe(app.get(Right).connections);
  });

  it('does not meet that of another application in the process', async () => {
    const one = await start([RedisModule.forRoot({ namespace: 'one' })]);
    const other = await start([RedisModule.forRoot({ namespace: 'other' })]);

    await one.close();

    expect(one.get(RedisConnections).namespace).toBe('one');
    expect(other.get(RedisConnections).namespace).toBe('other');
    expect(other.get(RedisConnections).get().state).toBe('ready');
  });
});

describe('RedisModule.forRootAsync()', () => {
  const options: RedisModuleOptions = { namespace: 'shop', connections: { default: { mode: 'embedded' } } };

  @Injectable()
  class ShopOptions implements OptionsFactory<RedisModuleOptions> {
    createOptions(): RedisModuleOptions {
      return options;
    }
  }
  @Module({ providers: [ShopOptions], exports: [ShopOptions] })
  class ShopOptionsModule {}

  it.each<[string, RedisModuleAsyncOptions]>([
    ['a factory', { useFactory: () => options }],
    ['a factory that returns a promise', { useFactory: async () => options }],
    ['a class', { useClass: ShopOptions }],
    ['a provider that is there already', { imports: [ShopOptionsModule], useExisting: ShopOptions }],
  ])('takes options from %s', async (_, source) => {
    const app = await start([RedisModule.forRootAsync(source)]);

    expect(app.get(RedisConnections).namespace).toBe('shop');
  });

  it('does not make the provider that is there already once more', async () => {
    @Injectable()
    class CountedOptions extends ShopOptions {
      static made = 0;
      readonly number = ++CountedOptions.made;
    }
    @Module({ providers: [CountedOptions], exports: [CountedOptions] })
    class CountedOptionsModule {}

    await start([RedisModule.forRootAsync({ imports: [CountedOptionsModule], useExisting: CountedOptions })]);

    expect(CountedOptions.made).toBe(1);
  });

  it('takes options from the configuration of @nestjs/config', async () => {
    const config = ConfigModule.forRoot({
      ignoreEnvFile: true,
      load: [() => ({ redis: { namespace: 'from-config' } })],
    });

    const app = await start([
      RedisModule.forRootAsync({
        imports: [config],
        inject: [ConfigService],
        useFactory: (settings: ConfigService) => ({ namespace: settings.getOrThrow<string>('redis.namespace') }),
      }),
    ]);

    expect(app.get(RedisConnections).namespace).toBe('from-config');
  });

  it.each<[string, RedisModuleAsyncOptions]>([
    ['none', {}],
    ['two', { useFactory: () => options, useClass: ShopOptions }],
    ['all', { useFactory: () => options, useClass: ShopOptions, useExisting: ShopOptions }],
  ])('needs exactly one source of options, and got %s', (_, source) => {
    expect(() => RedisModule.forRootAsync(source)).toThrow(
      new RedisOptionsError(['forRootAsync() needs exactly one of useFactory, useClass and useExisting.']),
    );
  });

  it('fails the start with the mistakes in what the factory returns', async () => {
    const wrong = RedisModule.forRootAsync({ useFactory: () => ({ namespace: 'my shop' }) });

    await expect(start([wrong])).rejects.toThrow(RedisOptionsError);
  });
});

describe('An injected client', () => {
  it('is the ioredis client of its connection', async () => {
    @Injectable()
    class Clients {
      constructor(
        @InjectRedis() readonly main: Redis,
        @InjectRedis('queue') readonly queue: Cluster,
        @Inject(getRedisToken('queue')) readonly same: Cluster,
      ) {}
    }

    const app = await compile(
      [
        RedisModule.forRoot({
          connections: {
            default: { mode: 'standalone', url: 'redis://localhost' },
            queue: { mode: 'cluster', nodes: [{ host: 'n', port: 7000 }] },
          },
        }),
      ],
      [Clients],
    );
    const { main, queue, same } = app.get(Clients);

    expect(main).toBeInstanceOf(Redis);
    expect(main).toBe(app.get(RedisConnections).get().client);
    expect(queue).toBeInstanceOf(Cluster);
    expect(same).toBe(queue);
  });

  it('of an embedded connection lets the application start, and its first use names the fix', async () => {
    const app = await start([RedisModule.forRoot()], [Carts]);

    const act = (): unknown => app.get(Carts).redis.get('cart');

    expect(act).toThrow(EmbeddedConnectionError);
    expect(act).toThrow(
      'Connection "default" is embedded and has no ioredis client. Give it a server: set REDIS_URL, or ' +
        `RedisModule.forRoot({ connections: { "default": { mode: 'standalone', url: 'redis://localhost:6379' } } }).`,
    );
  });

  it('of an embedded connection can be awaited and inspected like any provider', async () => {
    const app = await start([RedisModule.forRoot()]);

    const client = await app.resolve<Redis>(getRedisToken());

    expect(await Promise.resolve(client)).toBe(client);
    expect(Object.prototype.toString.call(client)).toBe('[object Object]');
  });

  it('of an embedded connection can be looked at by the explorers of other modules, which ask every provider what it has', async () => {
    const app = await start([RedisModule.forRoot()]);
    const client = app.get<object>(getRedisToken());

    expect(Object.prototype.hasOwnProperty.call(client, 'get')).toBe(false);
    expect(() => (client as Record<string, unknown>)['hasOwnProperty']).not.toThrow();
    expect(() => (client as Record<string, unknown>)['toString']).not.toThrow();
  });

  it('of an embedded connection is not behind RedisConnections either', async () => {
    const app = await start([RedisModule.forRoot()]);

    expect(() => app.get(RedisConnections).get().client).toThrow(EmbeddedConnectionError);
  });

  it('is injectable from an asynchronous module, under the names that are announced', async () => {
    @Injectable()
    class Sessions {
      constructor(@InjectRedis('sessions') readonly redis: Redis) {}
    }

    const app = await compile(
      [
        RedisModule.forRootAsync({
          injectable: ['sessions'],
          useFactory: () => ({ connections: { sessions: { mode: 'standalone', url: 'redis://localhost' } } }),
        }),
      ],
      [Sessions, Carts],
    );

    expect(app.get(Sessions).redis).toBe(app.get(RedisConnections).get('sessions').client);
    expect(() => app.get(Carts).redis.get('cart')).toThrow(
      'There is no Redis connection "default". Configured: "sessions".',
    );
  });

  it('that is announced but not configured fails the start', async () => {
    const redis = RedisModule.forRootAsync({ injectable: ['sessions'], useFactory: () => ({}) });

    await expect(start([redis])).rejects.toThrow('There is no Redis connection "sessions". Configured: "default".');
  });

  it('of an unknown connection fails the start, and Nest names it', async () => {
    @Injectable()
    class Sessions {
      constructor(@InjectRedis('sessions') readonly redis: Redis) {}
    }

    await expect(start([RedisModule.forRoot()], [Sessions])).rejects.toThrow(
      /Symbol\(@nuthatch\/redis:client:sessions\)/,
    );
  });

  it('can be replaced in a test by its token', async () => {
    const fake = { get: async () => 'from the fake' };
    const app = await Test.createTestingModule({ imports: [RedisModule.forRoot()], providers: [Carts] })
      .overrideProvider(getRedisToken())
      .useValue(fake)
      .compile();
    apps.push(app);

    expect(await app.get(Carts).redis.get('cart')).toBe('from the fake');
  });
});
