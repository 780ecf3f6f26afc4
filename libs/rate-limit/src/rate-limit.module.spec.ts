import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, Module, type DynamicModule, type Type } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { RedisModule, UnknownConnectionError, type OptionsFactory } from '@nuthatch/redis';
import { gcra } from './policies/policy.js';
import { RateLimitOptionsError } from './rate-limit.errors.js';
import { RateLimitModule, type RateLimitModuleAsyncOptions } from './rate-limit.module.js';
import type { RateLimitModuleOptions } from './rate-limit.options.js';
import { RateLimiter } from './rate-limiter.js';

const options = { policies: { api: gcra({ limit: 3, per: '1h' }) } } satisfies RateLimitModuleOptions;
const wrong = { policies: { api: gcra({ limit: 0, per: '1h' }) } };
const apps: TestingModule[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

async function start(imports: (Type | DynamicModule)[], providers: Type[] = []): Promise<TestingModule> {
  const app = await Test.createTestingModule({ imports, providers }).compile();
  apps.push(app);
  return app.init();
}

const remainingIn = async (app: TestingModule): Promise<number> =>
  (await app.get(RateLimiter).consume('api', 'user:42')).remaining;

describe('RateLimitModule.forRoot()', () => {
  it('limits in the process where the connection is embedded', async () => {
    const app = await start([RedisModule.forRoot(), RateLimitModule.forRoot(options)]);

    expect([await remainingIn(app), await remainingIn(app), await remainingIn(app)]).toEqual([2, 1, 0]);
    expect(await app.get(RateLimiter).consume('api', 'user:42')).toMatchObject({ allowed: false, shared: true });
  });

  it('does not share limits with another application in the process', async () => {
    const one = await start([RedisModule.forRoot(), RateLimitModule.forRoot(options)]);
    const other = await start([RedisModule.forRoot(), RateLimitModule.forRoot(options)]);

    expect(await remainingIn(one)).toBe(2);
    expect(await remainingIn(one)).toBe(1);
    expect(await remainingIn(other)).toBe(2);
  });

  it('names the mistakes before the application starts', () => {
    expect(() => RateLimitModule.forRoot(wrong)).toThrow(RateLimitOptionsError);
  });

  it('fails the start when its connection is not there', async () => {
    const elsewhere = RateLimitModule.forRoot({ ...options, connection: 'limits' });

    await expect(start([RedisModule.forRoot(), elsewhere])).rejects.toThrow(UnknownConnectionError);
  });

  it('is visible everywhere, or only where it is imported when it is not global', async () => {
    @Injectable()
    class Logins {
      constructor(readonly limiter: RateLimiter) {}
    }
    @Module({ providers: [Logins] })
    class LoginModule {}
    const own = RateLimitModule.forRoot({ ...options, isGlobal: false });
    @Module({ imports: [own], providers: [Logins] })
    class OwnLimitsModule {}

    await expect(start([RedisModule.forRoot(), RateLimitModule.forRoot(options), LoginModule])).resolves.toBeDefined();
    await expect(start([RedisModule.forRoot(), OwnLimitsModule])).resolves.toBeDefined();
    await expect(start([RedisModule.forRoot(), own, LoginModule])).rejects.toThrow(
      /Nest can't resolve dependencies of the Logins/,
    );
  });
});

describe('RateLimitModule.forRootAsync()', () => {
  @Injectable()
  class ShopLimits implements OptionsFactory<RateLimitModuleOptions> {
    createOptions(): RateLimitModuleOptions {
      return options;
    }
  }
  @Module({ providers: [ShopLimits], exports: [ShopLimits] })
  class ShopLimitsModule {}

  it.each<[string, RateLimitModuleAsyncOptions]>([
    ['a factory', { useFactory: () => options }],
    ['a factory that returns a promise', { useFactory: async () => options }],
    [
      'a factory that depends on another provider',
      { imports: [ShopLimitsModule], inject: [ShopLimits], useFactory: (limits: ShopLimits) => limits.createOptions() },
    ],
    ['a class', { useClass: ShopLimits }],
    ['a provider that is there already', { imports: [ShopLimitsModule], useExisting: ShopLimits }],
  ])('takes options from %s', async (_, source) => {
    const app = await start([RedisModule.forRoot(), RateLimitModule.forRootAsync(source)]);

    expect(await remainingIn(app)).toBe(2);
  });

  it.each<[string, RateLimitModuleAsyncOptions]>([
    ['none', {}],
    ['two', { useFactory: () => options, useExisting: ShopLimits }],
  ])('needs exactly one source of options, and got %s', (_, source) => {
    expect(() => RateLimitModule.forRootAsync(source)).toThrow(
      new RateLimitOptionsError(['forRootAsync() needs exactly one of useFactory, useClass and useExisting.']),
    );
  });

  it('fails the start with the mistakes in what the factory returns', async () => {
    const source = RateLimitModule.forRootAsync({ useFactory: () => wrong });

    await expect(start([RedisModule.forRoot(), source])).rejects.toThrow(RateLimitOptionsError);
  });
});
