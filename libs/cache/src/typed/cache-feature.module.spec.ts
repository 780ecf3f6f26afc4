import { afterEach, describe, expect, it } from '@jest/globals';
import { Inject, Injectable, Module, Scope, type DynamicModule, type Type } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { RedisModule } from '@nuthatch/redis';
import { CacheOptionsError } from '../cache.errors.js';
import { CacheModule } from '../cache.module.js';
import { CacheService } from '../cache.service.js';
import { defineCache } from './define-cache.js';
import { getCacheToken, InjectCache } from './inject-cache.decorator.js';
import { TypedCache, type CacheOf } from './typed-cache.js';

const apps: TestingModule[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

async function start(imports: (Type | DynamicModule)[], providers: Type[] = []): Promise<TestingModule> {
  const app = await Test.createTestingModule({ imports, providers }).compile();
  apps.push(app);
  return app.init();
}

const redis = RedisModule.forRoot();
const root = (): DynamicModule[] => [RedisModule.forRoot(), CacheModule.forRoot()];

@Injectable()
class Repository {
  async find(id: number): Promise<string> {
    return `user ${id}`;
  }
}

const usersCache = defineCache({
  name: 'users',
  key: (id: number) => [id],
  inject: { repo: Repository },
  load: (id, { repo }) => repo.find(id),
});
const productsCache = defineCache<[id: number], string>({ name: 'products', key: (id) => [id] });

@Injectable()
class Shop {
  @InjectCache(productsCache)
  readonly products!: CacheOf<typeof productsCache>;

  constructor(@InjectCache(usersCache) readonly users: CacheOf<typeof usersCache>) {}
}

@Module({ imports: [CacheModule.forFeature([usersCache, productsCache])], providers: [Shop], exports: [Shop] })
class ShopModule {}

describe('CacheModule.forFeature()', () => {
  it('provides the caches for parameters of constructors and for properties', async () => {
    const shop = (await start([...root(), ShopModule], [Repository])).get(Shop);

    await shop.products.set(1, 'chair');

    expect(shop.users).toBeInstanceOf(TypedCache);
    expect(await shop.users.get(1)).toBe('user 1');
    expect(await shop.products.get(1)).toBe('chair');
  });

  it('finds the providers of a loader in any module, as they are in a test', async () => {
    @Module({ providers: [Repository] })
    class DataModule {}
    const app = await Test.createTestingModule({ imports: [...root(), DataModule, ShopModule] })
      .overrideProvider(Repository)
      .useValue({ find: (id: number) => `fake ${id}` })
      .compile();
    apps.push(await app.init());

    expect(await app.get(Shop).users.get(1)).toBe('fake 1');
  });

  it('gives every module the same cache for a definition', async () => {
    @Injectable()
    class Orders {
      constructor(@InjectCache(productsCache) readonly products: CacheOf<typeof productsCache>) {}
    }
    @Module({ imports: [CacheModule.forFeature([productsCache])], providers: [Orders], exports: [Orders] })
    class OrdersModule {}

    const app = await start([...root(), ShopModule, OrdersModule], [Repository]);

    expect(app.get(Orders).products).toBe(app.get(Shop).products);
  });

  it('shares nothing with another application in the process but the definition', async () => {
    const [one, other] = await Promise.all([
      start([...root(), ShopModule], [Repository]),
      start([...root(), ShopModule], [Repository]),
    ]);

    await one.get(Shop).products.set(1, 'chair');

    expect(await other.get(Shop).products.get(1)).toBeUndefined();
    expect(one.get(Shop).products.stats()).toMatchObject({ sets: 1 });
    expect(other.get(Shop).products.stats()).toMatchObject({ sets: 0, misses: 1 });
  });

  it('puts the keys under the namespace of its module, if that has one', async () => {
    const app = await start(
      [RedisModule.forRoot({ namespace: 'shop' }), CacheModule.forRoot({ namespace: 'v2' }), ShopModule],
      [Repository],
    );

    expect(await app.get(Shop).products.getOrSet(1, ({ key }) => key)).toBe('shop:cache:v2.products:1');
    expect(app.get(CacheService).stats().namespace).toBe('v2');
  });

  it('works on a cache that is not global', async () => {
    const cache = CacheModule.forRoot({ isGlobal: false });
    @Injectable()
    class Users {
      constructor(
        @InjectCache(productsCache) readonly products: CacheOf<typeof productsCache>,
        @Inject(CacheService) readonly cache: CacheService,
      ) {}
    }
    @Module({ imports: [cache, CacheModule.forFeature([productsCache], { of: cache })], providers: [Users] })
    class UsersModule {}

    const app = await start([redis, UsersModule]);

    await app.get(Users, { strict: false }).products.set(1, 'chair');
    expect(await app.get(Users, { strict: false }).cache.namespace('products').get([1])).toBe('chair');
  });

  it('refuses to start with two definitions of one name', async () => {
    const again = defineCache<[id: number], number>({ name: 'products', key: (id) => ['other', id] });

    const starting = start([...root(), ShopModule, CacheModule.forFeature([again])], [Repository]);

    await expect(starting).rejects.toThrow(CacheOptionsError);
    await expect(starting).rejects.toThrow('Two definitions have the name "products" and would share their keys.');
  });

  it('refuses to start without a provider that a loader needs', async () => {
    const starting = start([...root(), ShopModule]);

    await expect(starting).rejects.toThrow(CacheOptionsError);
    await expect(starting).rejects.toThrow(
      /defineCache\("users"\)\.inject\.repo cannot be had: .*Repository.* Add it to the providers/,
    );
  });

  it('refuses to start with a provider that each request has of its own', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class PerRequest {}
    const wrong = defineCache({
      name: 'wrong',
      key: () => 'all',
      inject: { own: PerRequest },
      load: ({ own }) => typeof own,
    });

    await expect(start([...root(), CacheModule.forFeature([wrong])], [PerRequest])).rejects.toThrow(
      /defineCache\("wrong"\)\.inject\.own cannot be had: PerRequest is marked as a scoped provider/,
    );
  });

  it('tells what to import where a cache is injected without it', async () => {
    await expect(start(root(), [Shop])).rejects.toThrow(
      /the cache "users": import CacheModule\.forFeature\(\) with its definition/,
    );
    await expect(start([redis, ShopModule], [Repository])).rejects.toThrow(
      /CacheModule\.forRoot\(\) \(import it in the root module/,
    );
  });

  it.each([
    ['of a circular import', undefined, 'undefined, as in a circular import'],
    ['that was not defined', { name: 'users' }, 'is none. Give what defineCache() returns.'],
  ])('refuses a definition %s, and so does @InjectCache()', (_, definition, message) => {
    expect(() => CacheModule.forFeature([definition as never])).toThrow(message);
    expect(() => InjectCache(definition as never)).toThrow(message);
    expect(() => getCacheToken(definition as never)).toThrow(CacheOptionsError);
  });

  it('refuses anything but a list', () => {
    expect(() => CacheModule.forFeature(usersCache as never)).toThrow('forFeature() was given no list.');
  });
});
