import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  Header,
  Injectable,
  Module,
  Param,
  Query,
  Scope,
  SetMetadata,
  type DynamicModule,
  type INestApplicationContext,
  type Type,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { aroundMethod, injectInto, type MethodCall } from './around-method.js';
import { ServiceNotInjectedError } from './redis.errors.js';

@Injectable()
class Tracer {
  readonly calls: MethodCall[] = [];

  get names(): string[] {
    return this.calls.map(({ owner, method }) => `${owner.name}.${method}`);
  }
}

@Module({ providers: [Tracer], exports: [Tracer] })
class TracerModule {}

const HINT = 'Import TracerModule to use @Traced().';
const aroundTraced = aroundMethod(Tracer, HINT);
const Traced = () =>
  aroundTraced(async (tracer, call) => {
    tracer.calls.push(call);
    return call.proceed();
  });

const apps: INestApplicationContext[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

async function start(
  providers: Type[],
  imports: (Type | DynamicModule)[] = [TracerModule],
): Promise<INestApplicationContext> {
  const app = await Test.createTestingModule({ imports, providers }).compile();
  apps.push(app);
  return app.init();
}

@Injectable()
class Books {
  protected readonly shelf: string = 'main';

  @Traced()
  async find(id: number, edition = 'first'): Promise<string> {
    return `${this.shelf}/${id}/${edition}`;
  }

  @Traced()
  async fail(): Promise<never> {
    throw new RangeError('no such book');
  }

  async findBoth(): Promise<string[]> {
    return [await this.find(1), await this.find(2, 'second')];
  }
}

describe('A decorated method', () => {
  it('runs as it was written, with its object and its arguments', async () => {
    const app = await start([Books]);

    expect(await app.get(Books).find(7)).toBe('main/7/first');
    expect(await app.get(Books).find(7, 'third')).toBe('main/7/third');
    expect(app.get(Tracer).calls).toMatchObject([
      { target: app.get(Books), owner: Books, method: 'find', args: [7] },
      { method: 'find', args: [7, 'third'] },
    ]);
  });

  it('throws what it throws', async () => {
    const app = await start([Books]);

    await expect(app.get(Books).fail()).rejects.toThrow(new RangeError('no such book'));
  });

  it('is wrapped also when its own class calls it', async () => {
    const app = await start([Books]);

    expect(await app.get(Books).findBoth()).toEqual(['main/1/first', 'main/2/second']);
    expect(app.get(Tracer).calls.map(({ args }) => args)).toEqual([[1], [2, 'second']]);
  });

  it('is wrapped where it is inherited, with the object of the subclass', async () => {
    @Injectable()
    class RareBooks extends Books {
      protected override readonly shelf = 'rare';
    }
    const app = await start([RareBooks]);

    expect(await app.get(RareBooks).find(1)).toBe('rare/1/first');
    expect(app.get(Tracer).calls).toMatchObject([{ target: app.get(RareBooks), owner: Books }]);
  });

  it('is wrapped once for each class that decorates it when the override calls super', async () => {
    @Injectable()
    class SignedBooks extends Books {
      @Traced()
      override async find(id: number): Promise<string> {
        return `signed ${await super.find(id)}`;
      }
    }
    const app = await start([SignedBooks, Books]);

    expect(await app.get(SignedBooks).find(1)).toBe('signed main/1/first');
    expect(app.get(Tracer).names).toEqual(['SignedBooks.find', 'Books.find']);
    expect(await app.get(Books).find(1)).toBe('main/1/first');
  });

  it('is not wrapped in an override without the decorator, until that calls super', async () => {
    @Injectable()
    class LoggedBooks extends Books {
      override async find(id: number): Promise<string> {
        return id === 0 ? 'none' : super.find(id);
      }
    }
    const app = await start([LoggedBooks]);

    await app.get(LoggedBooks).find(0);
    expect(app.get(Tracer).names).toEqual([]);
    await app.get(LoggedBooks).find(1);

    expect(app.get(Tracer).names).toEqual(['Books.find']);
  });

  it('works in subclasses with properties and constructors of their own', async () => {
    @Injectable()
    class Stock {
      readonly count = 3;
    }
    @Injectable()
    class CountedBooks extends Books {
      constructor(readonly stock: Stock) {
        super();
      }

      @Traced()
      async count(): Promise<number> {
        return this.stock.count;
      }
    }
    const app = await start([CountedBooks, Stock]);

    expect(await app.get(CountedBooks).count()).toBe(3);
    expect(await app.get(CountedBooks).find(1)).toBe('main/1/first');
    expect(app.get(Tracer).names).toEqual(['CountedBooks.count', 'Books.find']);
  });

  it.each([
    ['request', Scope.REQUEST],
    ['transient', Scope.TRANSIENT],
  ])('works in providers of %s scope', async (_, scope) => {
    @Injectable({ scope })
    class Visits {
      static made = 0;
      readonly number = ++Visits.made;

      @Traced()
      async tell(): Promise<number> {
        return this.number;
      }
    }
    const app = await start([Visits]);

    const one = await app.resolve(Visits);
    const other = await app.resolve(Visits);

    expect([await one.tell(), await other.tell()]).toEqual([1, 2]);
    expect(app.get(Tracer).calls.map(({ target }) => target)).toEqual([one, other]);
  });

  it('keeps its name', () => {
    expect(Books.prototype.find.name).toBe('find');
  });

  it('uses the service of its own application when there are two in the process', async () => {
    const [one, other] = [await start([Books]), await start([Books])];

    await one.get(Books).find(1);
    await other.get(Books).find(2);
    await one.close();
    await other.get(Books).find(3);

    expect(one.get(Tracer).calls.map(({ args }) => args[0])).toEqual([1]);
    expect(other.get(Tracer).calls.map(({ args }) => args[0])).toEqual([2, 3]);
  });

  it('uses the service that a test puts in its place', async () => {
    const fake = { calls: [] as unknown[] };
    const app = await Test.createTestingModule({ imports: [TracerModule], providers: [Books] })
      .overrideProvider(Tracer)
      .useValue(fake)
      .compile();
    apps.push(app);

    await app.get(Books).find(1);

    expect(fake.calls).toHaveLength(1);
  });
});

describe('The code around a method', () => {
  const aroundRefused = aroundMethod(Tracer, HINT);
  const Refused = () =>
    aroundRefused(() => {
      throw new RangeError('not now');
    });

  it('rejects the call, and does not throw from it, when it throws', async () => {
    @Injectable()
    class Doors {
      @Refused()
      async open(): Promise<void> {}
    }
    const app = await start([Doors]);

    // A call that throws would fail the test here.
    const call = app.get(Doors).open();

    await expect(call).rejects.toThrow(new RangeError('not now'));
  });

  it('gets a promise of the method, whatever that returns or throws', async () => {
    const outcomes: unknown[] = [];
    const aroundWatched = aroundMethod(Tracer, HINT);
    const decorate = aroundWatched((_tracer, call) => {
      const result = call.proceed();
      outcomes.push(result);
      return result;
    });
    // The compiler refuses it on such methods.
    const Watched = () => decorate as MethodDecorator;
    @Injectable()
    class Doors {
      @Watched()
      count(): number {
        return 2;
      }

      @Watched()
      slam(): number {
        throw new RangeError('too heavy');
      }
    }
    const doors = (await start([Doors])).get(Doors);

    expect(await doors.count()).toBe(2);
    await expect(async () => doors.slam()).rejects.toThrow(new RangeError('too heavy'));
    expect(outcomes).toEqual([expect.any(Promise), expect.any(Promise)]);
  });

  it('may have another service put into the class', async () => {
    const slot = Symbol('Provide Clock.');
    class Clock {
      readonly hour = 7;
    }
    const Timed = (): MethodDecorator => (target) => injectInto(target, slot, Clock);
    @Injectable()
    class Doors {
      @Timed()
      @Traced()
      async open(): Promise<void> {}

      @Timed()
      async close(): Promise<void> {}
    }
    const app = await start([Doors, Clock]);

    await app.get(Doors).open();

    expect((app.get(Doors) as { [slot]?: Clock })[slot]).toBe(app.get(Clock));
    expect(app.get(Tracer).names).toEqual(['Doors.open']);
    await expect(start([Doors])).rejects.toThrow(/Doors[^]*Provide Clock\./);
  });
});

describe('The metadata of a decorated method', () => {
  class Marked {
    @SetMetadata('above', 'a')
    @Traced()
    @SetMetadata('below', 'b')
    @SetMetadata('both', 'b')
    async run(): Promise<void> {}

    @SetMetadata('both', 'a')
    @Traced()
    @SetMetadata('both', 'b')
    async runTwice(): Promise<void> {}

    @Traced()
    @SetMetadata('between', true)
    @Traced()
    async runNested(): Promise<void> {}
  }

  it('survives above and below the decorator', () => {
    const reflector = new Reflector();

    expect(reflector.get('above', Marked.prototype.run)).toBe('a');
    expect(reflector.get('below', Marked.prototype.run)).toBe('b');
    expect(reflector.get('both', Marked.prototype.runTwice)).toBe('a');
    expect(reflector.get('between', Marked.prototype.runNested)).toBe(true);
  });

  it('includes the route, its parameters and its headers', async () => {
    @Controller('books')
    class BooksController {
      @Traced()
      @Get('below/:id')
      @Header('x-shelf', 'below')
      async below(
        @Param('id') id: string,
        @Query('edition') edition: string,
      ): Promise<{ id: string; edition: string }> {
        return { id, edition };
      }

      @Get('above/:id')
      @Header('x-shelf', 'above')
      @Traced()
      async above(
        @Param('id') id: string,
        @Query('edition') edition: string,
      ): Promise<{ id: string; edition: string }> {
        return { id, edition };
      }
    }
    const module = await Test.createTestingModule({
      imports: [TracerModule],
      controllers: [BooksController],
    }).compile();
    const app = module.createNestApplication();
    apps.push(app);
    await app.listen(0, '127.0.0.1');

    for (const place of ['below', 'above']) {
      const response = await fetch(`${await app.getUrl()}/books/${place}/7?edition=first`);

      expect(response.status).toBe(200);
      expect(response.headers.get('x-shelf')).toBe(place);
      expect(await response.json()).toEqual({ id: '7', edition: 'first' });
    }
    expect(app.get(Tracer).names).toEqual(['BooksController.below', 'BooksController.above']);
  });
});

describe('A decorated method without its service', () => {
  it('rejects on an object that Nest did not create, and says what to import', async () => {
    const call = new Books().find(1);

    await expect(call).rejects.toThrow(ServiceNotInjectedError);
    await expect(call).rejects.toThrow(`Books.find() was called on an object that Nest did not create. ${HINT}`);
  });

  it('rejects when it is called without an object', async () => {
    const app = await start([Books]);
    const { find } = app.get(Books);

    await expect(find(1)).rejects.toThrow(ServiceNotInjectedError);
  });

  it('fails the start when the module is missing, and what Nest prints contains the fix', async () => {
    await expect(start([Books], [])).rejects.toThrow(new RegExp(`Books[^]*${HINT.replace(/[().]/g, '\\$&')}`));
  });
});

describe('The decorator', () => {
  it('goes on methods that return a promise only', () => {
    class Mixed {
      // @ts-expect-error a method that does not return a promise would have to
      @Traced()
      findNow(): string {
        return 'now';
      }

      // @ts-expect-error nor may it return something or a promise
      @Traced()
      findSoon(): string | Promise<string> {
        return 'soon';
      }

      @Traced()
      find(id: number): Promise<number> {
        return Promise.resolve(id);
      }
    }

    expect(new Mixed()).toBeInstanceOf(Mixed);
  });

  it('is refused on what is no method, with the hint', () => {
    const decorate = Traced() as (target: object, key: string, descriptor: PropertyDescriptor) => void;

    expect(() => decorate({}, 'size', { get: () => 1 })).toThrow(new TypeError(`size is not a method. ${HINT}`));
  });
});
