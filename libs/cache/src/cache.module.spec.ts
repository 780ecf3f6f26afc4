import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, Module, type DynamicModule, type Type } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { Test, type TestingModule } from '@nestjs/testing';
import { RedisModule, UnknownConnectionError, type OptionsFactory } from '@nuthatch/redis';
import { CacheOptionsError } from './cache.errors.js';
import { CacheModule, type CacheModuleAsyncOptions } from './cache.module.js';
import type { CacheModuleOptions } from './cache.options.js';
import { CacheService } from './cache.service.js';

const apps: TestingModule[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

async function start(imports: (Type | DynamicModule)[], providers: Type[] = []): Promise<TestingModule> {
  const app = await Test.createTestingModule({ imports, providers }).compile();
  apps.push(app);
  return app.init();
}

/** The key as Redis would know it, which begins with the namespaces. */
const keyIn = (app: TestingModule): Promise<string> => app.get(CacheService).getOrSet('key', ({ key }) => key);

describe('CacheModule.forRoot()', () => {
  it('without options caches in the process where the connection is embedded', async () => {
    const app = await start([RedisModule.forRoot(), CacheModule.forRoot()]);
    const cache = app.get(CacheService);

    await cache.set('user:1', { name: 'Ada' });

    expect(cache.peek('user:1')).toEqual({ name: 'Ada' });
    expect(await keyIn(app)).toBe('app:cache:default:key');
  });

  it('puts its keys under the namespaces of the application and of the cache', async () => {
    const app = await start([RedisModule.forRoot({ namespace: 'shop' }), CacheModule.forRoot({ namespace: 'v2' })]);

    expect(await keyIn(app)).toBe('shop:cache:v2:key');
  });

  it('names the mistakes before the application starts', () => {
    expect(() => CacheModule.forRoot({ namespace: 'a:b' })).toThrow(CacheOptionsError);
  });

  it('fails the start when its connection is not there', async () => {
    await expect(start([RedisModule.forRoot(), CacheModule.forRoot({ connection: 'cache' })])).rejects.toThrow(
      UnknownConnectionError,
    );
  });

  it('does not share entries with another application in the process', async () => {
    const one = await start([RedisModule.forRoot(), CacheModule.forRoot()]);
    const other = await start([RedisModule.forRoot(), CacheModule.forRoot()]);

    await one.get(CacheService).set('key', 'one');

    expect(await other.get(CacheService).get('key')).toBeUndefined();
  });

  it('is visible everywhere, or only where it is imported when it is not global', async () => {
    @Injectable()
    class Users {
      constructor(readonly cache: CacheService) {}
    }
    @Module({ providers: [Users] })
    class UsersModule {}
    @Module({ imports: [CacheModule.forRoot({ isGlobal: false })], providers: [Users] })
    class OwnCacheModule {}

    await expect(start([RedisModule.forRoot(), CacheModule.forRoot(), UsersModule])).resolves.toBeDefined();
    await expect(start([RedisModule.forRoot(), OwnCacheModule])).resolves.toBeDefined();
    await expect(start([RedisModule.forRoot(), CacheModule.forRoot({ isGlobal: false }), UsersModule])).rejects.toThrow(
      /Nest can't resolve dependencies of the Users/,
    );
  });
});

describe('CacheModule.forRootAsync()', () => {
  const options: CacheModuleOptions = { namespace: 'v2' };

  @Injectable()
  class ShopOptions implements OptionsFactory<CacheModuleOptions> {
    createOptions(): CacheModuleOptions {
      return options;
    }
  }
  @Module({ providers: [ShopOptions], exports: [ShopOptions] })
  class ShopOptionsModule {}

  it.each<[string, CacheModuleAsyncOptions]>([
    ['a factory', { useFactory: () => options }],
    ['a factory that returns a promise', { useFactory: async () => options }],
    ['a class', { useClass: ShopOptions }],
    ['a provider that is there already', { imports: [ShopOptionsModule], useExisting: ShopOptions }],
  ])('takes options from %s', async (_, source) => {
    const app = await start([RedisModule.forRoot(), CacheModule.forRootAsync(source)]);

    expect(await keyIn(app)).toBe('app:cache:v2:key');
  });

  it('takes options from the configuration of @nestjs/config', async () => {
    const config = ConfigModule.forRoot({
      ignoreEnvFile: true,
      load: [() => ({ cache: { namespace: 'from-config' } })],
    });

    const app = await start([
      RedisModule.forRoot(),
      CacheModule.forRootAsync({
        imports: [config],
        inject: [ConfigService],
        useFactory: (settings: ConfigService) => ({ namespace: settings.getOrThrow<string>('cache.namespace') }),
      }),
    ]);

    expect(await keyIn(app)).toBe('app:cache:from-config:key');
  });

  it.each<[string, CacheModuleAsyncOptions]>([
    ['none', {}],
    ['two', { useFactory: () => options, useExisting: ShopOptions }],
  ])('needs exactly one source of options, and got %s', (_, source) => {
    expect(() => CacheModule.forRootAsync(source)).toThrow(
      new CacheOptionsError(['forRootAsync() needs exactly one of useFactory, useClass and useExisting.']),
    );
  });

  it('fails the start with the mistakes in what the factory returns', async () => {
    const wrong = CacheModule.forRootAsync({ useFactory: () => ({ namespace: 'a:b' }) });

    await expect(start([RedisModule.forRoot(), wrong])).rejects.toThrow(CacheOptionsError);
  });
});
