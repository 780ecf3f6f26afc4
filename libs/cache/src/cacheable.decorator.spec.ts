import { afterEach, describe, expect, it } from '@jest/globals';
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
import { CacheKeyError, CacheOptionsError } from './cache.errors.js';
import { CacheModule } from './cache.module.js';
import { CacheService } from './cache.service.js';
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

  it('gives each caller an object of its own', async () => {
    @Injectable()
    class Users {
      @Cacheable()
      async find(name: string): Promise<{ name: string }> {
        return { name };
      }
    }
    const users = (await start(Users)).get(Users);

    const first = await users.find('Ada');
    first.name = 'Eve';

    expect(await users.find('Ada')).toEqual({ name: 'Ada' });
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

  it('gets the types of its key from the method', () => {
    class Users {
      // @ts-expect-error the id is a number
      @Cacheable<Users['find']>({ key: (id: string) => ['user', id] })
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

describe('The arguments of a cached method', () => {
  it.each<[string, unknown[], unknown[]]>([
    ['1 and "1"', [1], ['1']],
    ['0 and false', [0], [false]],
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
