import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  Controller,
  Get,
  Injectable,
  Param,
  Query,
  Scope,
  SetMetadata,
  type INestApplication,
  type Type,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { Test, type TestingModule } from '@nestjs/testing';
import { RedisModule, ServiceNotInjectedError } from '@nuthatch/redis';
import { CacheKeyError, CacheOptionsError } from '../cache.errors.js';
import { CacheModule } from '../cache.module.js';
import { CacheService } from '../cache.service.js';
import { Cacheable } from './cacheable.decorator.js';

const apps: { close(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

async function start(...providers: Type[]): Promise<TestingModule> {
  const app = await Test.createTestingModule({
    imports: [RedisModule.forRoot(), CacheModule.forRoot()],
    providers,
  }).compile();
  apps.push(app);
  return app.init();
}

interface Page {
  city?: string;
  limit?: number;
  [filter: string]: unknown;
}

/** Tells by its answer how often it has run. */
@Injectable()
class Search {
  runs = 0;

  @Cacheable()
  async find(...args: unknown[]): Promise<number> {
    return args.length >= 0 ? ++this.runs : 0;
  }

  @Cacheable()
  async findOther(_id: number): Promise<number> {
    return ++this.runs;
  }

  async findTwice(id: number): Promise<number[]> {
    return [await this.find(id), await this.find(id)];
  }
}

describe('A cached method', () => {
  it('runs once for the same arguments', async () => {
    const search = (await start(Search)).get(Search);

    expect([await search.find(1), await search.find(1), await search.find(2)]).toEqual([1, 1, 2]);
    expect([await search.find(), await search.find()]).toEqual([3, 3]);
  });

  it('runs once for concurrent calls', async () => {
    const search = (await start(Search)).get(Search);

    await Promise.all(Array.from({ length: 100 }, () => search.find(1)));

    expect(search.runs).toBe(1);
  });

  it('has entries apart from those of the other methods', async () => {
    const search = (await start(Search)).get(Search);

    expect([await search.find(1), await search.findOther(1)]).toEqual([1, 2]);
  });

  it('is cached also when its own class calls it', async () => {
    const search = (await start(Search)).get(Search);

    expect(await search.findTwice(1)).toEqual([1, 1]);
  });

  it('that fails runs again', async () => {
    @Injectable()
    class Flaky {
      runs = 0;

      @Cacheable()
      async find(): Promise<string> {
        if (++this.runs === 1) throw new RangeError('not yet');
        return 'found';
      }
    }
    const flaky = (await start(Flaky)).get(Flaky);

    await expect(flaky.find()).rejects.toThrow(new RangeError('not yet'));
    expect(await flaky.find()).toBe('found');
  });

  it('gives callers what none of them can change for the others, or with clone a copy each', async () => {
    @Injectable()
    class Users {
      @Cacheable()
      async find(name: string): Promise<{ name: string }> {
        return { name };
      }

      @Cacheable({ clone: true })
      async findOwn(name: string): Promise<{ name: string }> {
        return { name };
      }
    }
    const users = (await start(Users)).get(Users);

    const shared = await users.find('Ada');
    const own = await users.findOwn('Ada');
    own.name = 'Eve';

    expect(() => (shared.name = 'Eve')).toThrow(TypeError);
    expect(await users.find('Ada')).toEqual({ name: 'Ada' });
    expect(await users.findOwn('Ada')).toEqual({ name: 'Ada' });
  });

  it('takes a key, a TTL and what to do in an outage', async () => {
    @Injectable()
    class Users {
      @Cacheable<Users['find']>({ key: (id) => ['user', id], ttl: '1h', onOutage: 'throw' })
      async find(id: number): Promise<string> {
        return `user ${id}`;
      }
    }
    const app = await start(Users);

    await app.get(Users).find(7);

    expect(await app.get(CacheService).get('user:7')).toBe('user 7');
  });

  it('takes one key for all calls', async () => {
    @Injectable()
    class Users {
      @Cacheable({ key: 'users:all' })
      async all(): Promise<string[]> {
        return ['Ada'];
      }
    }
    const app = await start(Users);

    await app.get(Users).all();

    expect(await app.get(CacheService).get(['users', 'all'])).toEqual(['Ada']);
  });

  it('gets the types of its options from the method', () => {
    class Users {
      // @ts-expect-error the id is a number
      @Cacheable<Users['find']>({ key: (id: string) => ['user', id] })
      // @ts-expect-error the result is a number
      @Cacheable<Users['find']>({ unless: (user: string) => user === '' })
      // @ts-expect-error a tag is a string
      @Cacheable<Users['find']>({ tags: (id) => [id] })
      // @ts-expect-error a condition is asked before the method runs, so it must know at once
      @Cacheable<Users['find']>({ condition: async (id) => id > 0 })
      @Cacheable<Users['find']>({
        key: (id) => ['user', id.toFixed()],
        condition: (id) => id.toFixed() !== '0',
        unless: (user, id) => user.toFixed() === id.toFixed(),
        tags: (id) => [`user:${id.toFixed()}`],
        resultTags: (user, id) => [`user:${user.toFixed()}`, `user:${id.toFixed()}`],
      })
      @Cacheable({ key: (id: number) => ['user', id], unless: (user: number | null) => user === null })
      async find(id: number): Promise<number> {
        return id;
      }

      // @ts-expect-error only methods that return a promise can be cached
      @Cacheable()
      findNow(id: number): number {
        return id;
      }
    }

    expect(new Users().findNow.name).toBe('findNow');
  });

  it('rejects, and never throws, when its key or its options are wrong', async () => {
    @Injectable()
    class Wrong {
      @Cacheable<Wrong['noKey']>({
        key: () => {
          throw new RangeError('no key for this');
        },
      })
      async noKey(): Promise<void> {}

      @Cacheable({ key: () => '' })
      async emptyKey(): Promise<void> {}

      @Cacheable({ ttl: 60 as unknown as '60s' })
      async noUnit(): Promise<void> {}

      @Cacheable()
      async noArgument(_callback: () => void): Promise<void> {}
    }
    const wrong = (await start(Wrong)).get(Wrong);

    // A call that throws would fail the test here.
    const calls = [wrong.noKey(), wrong.emptyKey(), wrong.noUnit(), wrong.noArgument(() => undefined)];
    const outcomes = await Promise.allSettled(calls);

    expect(outcomes).toMatchObject([
      { reason: new RangeError('no key for this') },
      { reason: { message: expect.stringContaining('Segment 1 of a key is empty') } },
      { reason: { name: CacheOptionsError.name, message: expect.stringContaining("Write the unit: '60ms'") } },
      { reason: { name: CacheKeyError.name } },
    ]);
  });

  it('on an object that Nest did not create rejects, and says what to import', async () => {
    const call = new Search().find(1);

    await expect(call).rejects.toThrow(ServiceNotInjectedError);
    await expect(call).rejects.toThrow('Import CacheModule.forRoot() in the root module');
  });

  it('fails the start without CacheModule, and what Nest prints says what to import', async () => {
    const app = Test.createTestingModule({ imports: [RedisModule.forRoot()], providers: [Search] }).compile();

    await expect(app).rejects.toThrow(
      /Search[^]*Import CacheModule\.forRoot\(\) in the root module to use @Cacheable\(\)/,
    );
  });
});

describe('A cached method with a condition', () => {
  it('runs each time when that is false, and neither reads nor stores', async () => {
    @Injectable()
    class Users {
      runs = 0;

      @Cacheable<Users['find']>({ key: (id) => ['user', id], condition: (id) => id > 0 })
      async find(_id: number): Promise<number> {
        return ++this.runs;
      }
    }
    const app = await start(Users);
    const users = app.get(Users);
    await app.get(CacheService).set('user:-1', 'from the cache');

    expect([await users.find(-1), await users.find(-1)]).toEqual([1, 2]);
    expect(await app.get(CacheService).get('user:-1')).toBe('from the cache');
    expect([await users.find(1), await users.find(1)]).toEqual([3, 3]);
  });

  it('rejects, and never throws, when that throws', async () => {
    @Injectable()
    class Users {
      @Cacheable({
        condition: () => {
          throw new RangeError('cannot tell');
        },
      })
      async find(): Promise<void> {}
    }
    const call = (await start(Users)).get(Users).find();

    await expect(call).rejects.toThrow(new RangeError('cannot tell'));
  });
});

describe('A cached method whose result is not always to be stored', () => {
  @Injectable()
  class Rates {
    runs = 0;
    answer: number | null = null;
    static asked: unknown[] = [];
    #go: (() => void) | undefined;
    readonly #gate = new Promise<void>((resolve) => (this.#go = resolve));

    @Cacheable<Rates['find']>({ key: (currency) => ['rate', currency], unless: (rate) => rate === null })
    async find(_currency: string): Promise<number | null> {
      this.runs += 1;
      return this.answer;
    }

    @Cacheable<Rates['findSlowly']>({ unless: (rate) => rate === null })
    async findSlowly(): Promise<number | null> {
      this.runs += 1;
      await this.#gate;
      return this.answer;
    }

    @Cacheable<Rates['spy']>({
      unless(...asked) {
        Rates.asked = asked;
        return false;
      },
    })
    async spy(_currency: string, _day?: number): Promise<string> {
      return 'result';
    }

    open(): void {
      this.#go?.();
    }
  }

  it('returns what is not stored, and runs again', async () => {
    const app = await start(Rates);
    const rates = app.get(Rates);

    expect(await rates.find('EUR')).toBe(null);
    expect(await app.get(CacheService).has('rate:EUR')).toBe(false);
    rates.answer = 1.1;
    expect([await rates.find('EUR'), await rates.find('EUR')]).toEqual([1.1, 1.1]);
    expect(rates.runs).toBe(2);
  });

  it('returns it to every caller that has waited for it', async () => {
    const rates = (await start(Rates)).get(Rates);

    const calls = [rates.findSlowly(), rates.findSlowly(), rates.findSlowly()];
    rates.open();

    expect(await Promise.all(calls)).toEqual([null, null, null]);
    expect(rates.runs).toBe(1);
  });

  it('decides by the result and the arguments', async () => {
    const rates = (await start(Rates)).get(Rates);

    await rates.spy('EUR');

    expect(Rates.asked).toEqual(['result', 'EUR']);
  });
});

describe('A cached method with a prefix for its keys', () => {
  it('has it before the key it gives, be that a text or a list', async () => {
    @Injectable()
    class Shop {
      @Cacheable<Shop['price']>({ keyPrefix: 'shop:eu', key: (id) => `price:${id}` })
      async price(id: number): Promise<string> {
        return `price of ${id}`;
      }

      @Cacheable<Shop['stock']>({ keyPrefix: ['shop', 'a:b'], key: (id) => ['stock', id] })
      async stock(id: string): Promise<string> {
        return `stock of ${id}`;
      }
    }
    const app = await start(Shop);
    const cache = app.get(CacheService);

    await app.get(Shop).price(1);
    await app.get(Shop).stock('x:y');

    expect(await cache.get(['shop', 'eu', 'price', 1])).toBe('price of 1');
    expect(await cache.get(['shop', 'a:b', 'stock', 'x:y'])).toBe('stock of x:y');
  });

  it('has it before the key that is made of its arguments', async () => {
    @Injectable()
    class Visits {
      runs = 0;

      @Cacheable()
      async plain(_page: string): Promise<number> {
        return ++this.runs;
      }

      @Cacheable({ keyPrefix: 'v2' })
      async count(_page: string): Promise<number> {
        return ++this.runs;
      }
    }
    const app = await start(Visits);
    const read = jest.spyOn(app.get(CacheService), 'getOrSet');
    const visits = app.get(Visits);

    expect([await visits.count('/'), await visits.count('/'), await visits.count('/about')]).toEqual([1, 1, 2]);
    await visits.plain('/');

    const [prefixed, , , plain] = read.mock.calls.map(([key]) => [key].flat().join(':'));
    expect(prefixed).toBe(`v2:${plain!.replace('plain', 'count')}`);
  });

  it('is refused where the class is written when that cannot be a key, as is a constant key', () => {
    expect(() => Cacheable({ keyPrefix: '' })).toThrow(CacheOptionsError);
    expect(() => Cacheable({ keyPrefix: 'a::b' })).toThrow(/keyPrefix: Segment 2 of a key is empty/);
    expect(() => Cacheable({ key: ['user', ''] })).toThrow(/key: Segment 2 of a key is empty/);
  });
});

describe('A cached method with tags', () => {
  interface Product {
    readonly id: number;
    readonly brand: string;
  }

  @Injectable()
  class Catalogue {
    runs = 0;

    @Cacheable({ tags: ['catalogue'] })
    async all(): Promise<number> {
      return ++this.runs;
    }

    @Cacheable<Catalogue['find']>({
      key: ({ id }) => ['product', id],
      tags: ({ id }) => ['catalogue', `product:${id}`],
    })
    async find(product: { id: number }): Promise<number> {
      product.id = -1;
      return ++this.runs;
    }

    @Cacheable<Catalogue['newest']>({ resultTags: (products, shop) => products.map(({ id }) => `${shop}:${id}`) })
    async newest(_shop: string): Promise<Product[]> {
      this.runs += 1;
      return [
        { id: 1, brand: 'a' },
        { id: 2, brand: 'b' },
      ];
    }

    @Cacheable({ tags: () => [''] })
    async wrong(): Promise<number> {
      return ++this.runs;
    }
  }

  it('runs again once one of them is invalidated', async () => {
    const app = await start(Catalogue);
    const catalogue = app.get(Catalogue);
    await catalogue.all();
    await catalogue.all();

    await app.get(CacheService).invalidateTags('catalogue');

    expect([await catalogue.all(), await catalogue.all()]).toEqual([2, 2]);
  });

  it('makes them of its arguments, before the method can change those', async () => {
    const app = await start(Catalogue);
    const [cache, catalogue] = [app.get(CacheService), app.get(Catalogue)];
    await catalogue.find({ id: 1 });

    await cache.invalidateTags('product:2', 'product:-1');
    expect(await catalogue.find({ id: 1 })).toBe(1);
    await cache.invalidateTags('product:1');

    expect(await catalogue.find({ id: 1 })).toBe(2);
  });

  it('makes them also of what it has found', async () => {
    const app = await start(Catalogue);
    const [cache, catalogue] = [app.get(CacheService), app.get(Catalogue)];
    await catalogue.newest('eu');

    await cache.invalidateTags('eu:3', 'us:2');
    await catalogue.newest('eu');
    expect(catalogue.runs).toBe(1);
    await cache.invalidateTags('eu:2');
    await catalogue.newest('eu');

    expect(catalogue.runs).toBe(2);
  });

  it('does not run when they cannot be used', async () => {
    const catalogue = (await start(Catalogue)).get(Catalogue);

    await expect(catalogue.wrong()).rejects.toThrow(/Tag 1 is empty/);

    expect(catalogue.runs).toBe(0);
  });
});

describe('The arguments of a cached method', () => {
  it.each<[string, unknown[], unknown[]]>([
    ['1 and "1"', [1], ['1']],
    ['0 and false', [0], [false]],
    ['0 and -0', [0], [-0]],
    ['null and undefined', [null], [undefined]],
    ['null and "null"', [null], ['null']],
    ['one list and two arguments', [['a', 'b']], ['a', 'b']],
    ['arguments that only together are the same text', ['a,b'], ['a', 'b']],
    ['a date and its text', [new Date(0)], ['1970-01-01T00:00:00.000Z']],
    ['a bigint and a number', [1n], [1]],
    ['a list in another order', [[1, 2]], [[2, 1]]],
    ['a map and an object', [new Map([['a', 1]])], [{ a: 1 }]],
    ['no argument and an empty list', [], [[]]],
    ['objects of other values', [{ a: 1 }], [{ a: 2 }]],
    ['two texts and one with a quote', ['a', 'b'], ['a","b']],
    ['a number and a list before a text', [1, 'a'], [[1], 'a']],
    ['a text with a : and two arguments', ['a:b'], ['a', 'b']],
    ['long texts that differ at the end', ['x'.repeat(5_000)], [`${'x'.repeat(4_999)}y`]],
  ])('differ: %s', async (_, one, other) => {
    const search = (await start(Search)).get(Search);

    expect([await search.find(...one), await search.find(...other), await search.find(...one)]).toEqual([1, 2, 1]);
  });

  it.each<[string, unknown, unknown]>([
    ['objects', { city: 'Porto', limit: 5 }, { limit: 5, city: 'Porto' }],
    ['objects in objects', { page: { city: 'Porto', limit: 5 } }, { page: { limit: 5, city: 'Porto' } }],
    ['objects in lists', [{ a: 1, b: 2 }], [{ b: 2, a: 1 }]],
    ['objects in maps', new Map([['page', { a: 1, b: 2 }]]), new Map([['page', { b: 2, a: 1 }]])],
    ['properties that are undefined', { city: 'Porto' }, { city: 'Porto', limit: undefined }],
    [
      'objects without a prototype, as a query string is',
      bare({ city: 'Porto', limit: 5 }),
      bare({ limit: 5, city: 'Porto' }),
    ],
    ['long objects', { a: 'x'.repeat(100), b: 2 }, { b: 2, a: 'x'.repeat(100) }],
  ])('are the same whatever the order of their properties: %s', async (_, one, other) => {
    const search = (await start(Search)).get(Search);

    expect([await search.find(one), await search.find(other)]).toEqual([1, 1]);
  });

  it.each<[string, unknown]>([
    ['a class instance', new (class Session {})()],
    ['a cycle', cyclic()],
    ['a cycle of many ways', cyclic(10)],
    ['a symbol', Symbol('x')],
  ])('that have no stable text are refused, and the error says what to do: %s', async (_, argument) => {
    const search = (await start(Search)).get(Search);

    const call = search.find(1, argument);

    await expect(call).rejects.toThrow(CacheKeyError);
    await expect(call).rejects.toThrow(/^No key can be made of the arguments of Search\.find\(\): .+ Or give "key"\.$/);
    expect(search.runs).toBe(0);
  });

  it('are not changed by making a key of them', async () => {
    const search = (await start(Search)).get(Search);
    const page: Page = { limit: 5, city: 'Porto', at: new Date(0), tags: new Set(['a']) };

    await search.find(page);

    expect(Object.keys(page)).toEqual(['limit', 'city', 'at', 'tags']);
    expect(page).toStrictEqual({ limit: 5, city: 'Porto', at: new Date(0), tags: new Set(['a']) });
  });
});

describe('Classes with cached methods', () => {
  const london = (() => {
    @Injectable()
    class Weather {
      @Cacheable()
      async today(): Promise<string> {
        return 'rain in London';
      }
    }
    return Weather;
  })();
  const lisbon = (() => {
    @Injectable()
    class Weather {
      @Cacheable()
      async today(): Promise<string> {
        return 'sun in Lisbon';
      }
    }
    return Weather;
  })();

  it('of one name do not share entries', async () => {
    const app = await start(london, lisbon);

    expect(await app.get(london).today()).toBe('rain in London');
    expect(await app.get(lisbon).today()).toBe('sun in Lisbon');
  });

  it('of one name and one source cannot be told apart, and the error says what to do', async () => {
    const make = (city: string) => {
      @Injectable()
      class Weather {
        @Cacheable()
        async today(): Promise<string> {
          return `in ${city}`;
        }
      }
      return Weather;
    };
    const [one, other] = [make('London'), make('Lisbon')];
    const app = await start(one, other);
    await app.get(one).today();

    const act = app.get(other).today();

    await expect(act).rejects.toThrow(CacheKeyError);
    await expect(act).rejects.toThrow(
      'Two classes named Weather with the same source use @Cacheable() on today() without a key. Give "key" in at least one of them.',
    );
  });

  it('that inherit a method do not share its entries', async () => {
    abstract class Repository {
      protected abstract readonly table: string;

      @Cacheable()
      async find(id: number): Promise<string> {
        return `${this.table}/${id}`;
      }
    }
    @Injectable()
    class Users extends Repository {
      protected readonly table = 'users';
    }
    @Injectable()
    class Products extends Repository {
      protected readonly table = 'products';
    }
    const app = await start(Users, Products);

    expect(await app.get(Users).find(1)).toBe('users/1');
    expect(await app.get(Products).find(1)).toBe('products/1');
  });

  it('may cache a method and, in a subclass, the method that calls it by super', async () => {
    @Injectable()
    class Users {
      @Cacheable()
      async find(id: number): Promise<string> {
        return `user ${id}`;
      }
    }
    @Injectable()
    class PoliteUsers extends Users {
      @Cacheable()
      override async find(id: number): Promise<string> {
        return `dear ${await super.find(id)}`;
      }
    }
    const app = await start(Users, PoliteUsers);

    expect(await app.get(PoliteUsers).find(1)).toBe('dear user 1');
    expect(await app.get(PoliteUsers).find(1)).toBe('dear user 1');
    expect(await app.get(Users).find(1)).toBe('user 1');
  });

  it('of request scope share the entries of their class', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Visits {
      static runs = 0;

      @Cacheable()
      async count(): Promise<number> {
        return ++Visits.runs;
      }
    }
    const app = await start(Visits);

    const [one, other] = [await app.resolve(Visits), await app.resolve(Visits)];

    expect(one).not.toBe(other);
    expect([await one.count(), await other.count()]).toEqual([1, 1]);
  });

  it('of two applications in one process do not meet', async () => {
    const [one, other] = [await start(Search), await start(Search)];

    await one.get(Search).find(1);
    await one.close();
    await other.get(Search).find(1);
    await other.get(Search).find(1);

    expect([one.get(Search).runs, other.get(Search).runs]).toEqual([1, 1]);
  });

  it('use the CacheService that a test puts in its place', async () => {
    const fake = { getOrSet: async () => 'from the fake' };
    const app = await Test.createTestingModule({
      imports: [RedisModule.forRoot(), CacheModule.forRoot()],
      providers: [Search],
    })
      .overrideProvider(CacheService)
      .useValue(fake)
      .compile();
    apps.push(app);

    expect(await app.get(Search).find(1)).toBe('from the fake');
    expect(app.get(Search).runs).toBe(0);
  });
});

describe('A controller with cached routes', () => {
  const Roles = (...roles: string[]) => SetMetadata('roles', roles);

  @Controller('cities')
  class Cities {
    static runs = 0;

    @Roles('reader')
    @Get()
    @Cacheable()
    async list(@Query() query: Page): Promise<{ query: Page; run: number }> {
      return { query, run: ++Cities.runs };
    }

    @Cacheable<Cities['find']>({ key: (name) => ['city', name] })
    @Roles('writer')
    @Get(':name')
    async find(@Param('name') name: string): Promise<{ name: string; run: number }> {
      return { name, run: ++Cities.runs };
    }
  }

  async function listen(): Promise<INestApplication> {
    Cities.runs = 0;
    const module = await Test.createTestingModule({
      imports: [RedisModule.forRoot(), CacheModule.forRoot()],
      controllers: [Cities],
    }).compile();
    const app = module.createNestApplication();
    apps.push(app);
    await app.listen(0, '127.0.0.1');
    return app;
  }

  async function get(app: INestApplication, path: string): Promise<unknown> {
    const response = await fetch((await app.getUrl()) + path);
    expect(response.status).toBe(200);
    return response.json();
  }

  it('answers from the cache', async () => {
    const app = await listen();

    expect(await get(app, '/cities/Porto')).toEqual({ name: 'Porto', run: 1 });
    expect(await get(app, '/cities/Porto')).toEqual({ name: 'Porto', run: 1 });
    expect(await get(app, '/cities/Faro')).toEqual({ name: 'Faro', run: 2 });
    expect(await app.get(CacheService).get('city:Porto')).toEqual({ name: 'Porto', run: 1 });
  });

  it('does not care for the order of the query', async () => {
    const app = await listen();

    expect(await get(app, '/cities?country=PT&limit=5')).toEqual({ query: { country: 'PT', limit: '5' }, run: 1 });
    expect(await get(app, '/cities?limit=5&country=PT')).toMatchObject({ run: 1 });
    expect(await get(app, '/cities?limit=6&country=PT')).toMatchObject({ run: 2 });
  });

  it('keeps the metadata of other decorators, above and below', () => {
    const reflector = new Reflector();

    expect(reflector.get('roles', Cities.prototype.list)).toEqual(['reader']);
    expect(reflector.get('roles', Cities.prototype.find)).toEqual(['writer']);
  });
});

function bare(properties: object): object {
  return Object.assign(Object.create(null) as object, properties);
}

/** An object that holds itself in so many ways. */
function cyclic(ways = 1): object {
  const cycle: Record<string, unknown> = {};
  for (let way = 0; way < ways; way++) cycle[`way ${way}`] = cycle;
  return cycle;
}
