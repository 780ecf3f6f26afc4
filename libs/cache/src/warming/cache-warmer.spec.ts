import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Controller, Injectable, Module, Scope, type DynamicModule, type Provider, type Type } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { Test, type TestingModule } from '@nestjs/testing';
import { RedisModule } from '@nuthatch/redis';
import { CacheWarmer } from './cache-warmer.js';
import type { WarmContext } from './warm-task.js';
import { Warm, type WarmOptions } from './warm.decorator.js';
import { UnknownWarmerError, WarmerDeclarationError } from './warming.errors.js';
import { readWarmingOption, type WarmingOptions } from './warming.options.js';
import { warmingProviders } from './warming.providers.js';

const apps: TestingModule[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

@Module({})
class WarmingModule {
  static forRoot(options: WarmingOptions): DynamicModule {
    const settings = {
      connection: 'default',
      namespace: 'default',
      warming: readWarmingOption(options, 'warming', []),
    };
    return {
      module: WarmingModule,
      global: true,
      imports: [DiscoveryModule],
      providers: [{ provide: 'options', useValue: settings }, ...warmingProviders('options', () => settings)],
      exports: [CacheWarmer],
    };
  }
}

interface AppParts {
  readonly providers?: Provider[];
  readonly controllers?: Type[];
  readonly imports?: (Type | DynamicModule)[];
  readonly warming?: WarmingOptions;
}

const lines: string[] = [];

async function compile({ providers = [], controllers = [], imports = [], warming = { onBoot: false } }: AppParts) {
  lines.length = 0;
  const note = (level: string) => (message: unknown) => void lines.push(`${level} ${String(message)}`);
  const app = await Test.createTestingModule({
    imports: [RedisModule.forRoot(), WarmingModule.forRoot(warming), ...imports],
    providers,
    controllers,
  })
    .setLogger({ log: note('log'), warn: note('warn'), error: note('error'), debug: note('debug') })
    .compile();
  apps.push(app);
  return app;
}

async function start(parts: AppParts): Promise<CacheWarmer> {
  const app = await compile(parts);
  await app.init();
  return app.get(CacheWarmer);
}

describe('@Warm()', () => {
  it('makes methods of providers and controllers warmers, with their objects and a signal', async () => {
    const contexts: WarmContext[] = [];
    @Injectable()
    class Events {
      readonly count = 120;

      @Warm({ name: 'events' })
      async warm(context: WarmContext): Promise<number> {
        contexts.push(context);
        return this.count;
      }
    }
    @Controller()
    class Venues {
      @Warm({ name: 'venues' })
      warm(): void {}
    }

    const warmer = await start({ providers: [Events], controllers: [Venues] });

    expect(warmer.names()).toEqual(['events', 'venues']);
    expect(await warmer.warm()).toMatchObject({
      done: ['events', 'venues'],
      failed: [],
      skipped: [],
      took: expect.any(Number),
      warmers: [
        { name: 'events', outcome: 'done', entries: 120 },
        { name: 'venues', outcome: 'done' },
      ],
    });
    expect(contexts[0]!.signal.aborted).toBe(false);
  });

  it('is inherited, and finds what a factory has made', async () => {
    class Base {
      @Warm({ name: 'inherited' })
      async warm(): Promise<number> {
        return this.count();
      }
      count(): number {
        return 1;
      }
    }
    class Child extends Base {
      override count(): number {
        return 2;
      }
    }

    const warmer = await start({ providers: [{ provide: 'child', useFactory: () => new Child() }] });

    expect((await warmer.warm()).warmers).toMatchObject([{ name: 'inherited', entries: 2 }]);
  });

  it('counts an object once that is provided under several tokens', async () => {
    @Injectable()
    class Events {
      @Warm({ name: 'events' })
      warm(): void {}
    }

    const warmer = await start({ providers: [Events, { provide: 'alias', useExisting: Events }] });

    expect(warmer.names()).toEqual(['events']);
  });

  it('fails the start with every mistake at once', async () => {
    @Injectable()
    class Events {
      @Warm({ name: 'taken' })
      first(): void {}
      @Warm({ name: 'taken' })
      second(): void {}
      @Warm({ name: 'slow', every: 5_000 as never })
      wrongEvery(): void {}
      @Warm({ name: '' })
      nameless(): void {}
      @Warm({ name: 'typo', evry: '5m' } as WarmOptions)
      typo(): void {}
      @Warm(undefined as never)
      bare(): void {}
    }
    @Injectable({ scope: Scope.REQUEST })
    class Requested {
      @Warm({ name: 'requested' })
      warm(): void {}
    }
    @Injectable({ scope: Scope.TRANSIENT })
    class Transient {
      @Warm({ name: 'transient' })
      warm(): void {}
    }
    @Injectable()
    class Dependent {
      constructor(readonly requested: Requested) {}
      @Warm({ name: 'dependent' })
      warm(): void {}
    }

    const app = await compile({ providers: [Events, Requested, Transient, Dependent] });
    const error = await app.init().catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(WarmerDeclarationError);
    const { mistakes, code } = error as WarmerDeclarationError;
    expect(code).toBe('CACHE_WARMER_DECLARATION');
    const expected = [
      /"taken" is taken twice: by @Warm\(\) on Events.first\(\) in RootTestModule and by @Warm\(\) on Events.second\(\) in RootTestModule\. Give each/,
      /"every" of @Warm\(\) on Events.wrongEvery\(\) in RootTestModule is 5000. Write the unit: '5000ms'/,
      /Events.nameless\(\) in RootTestModule cannot be a part of a key of Redis. Segment 1 of a key is empty/,
      /Events.typo\(\) in RootTestModule has the option "evry", which there is not. Known: name, every/,
      /Events.bare\(\) in RootTestModule is of type undefined. Give a text/,
      /Requested.warm\(\) in RootTestModule .*request-scoped.*Move the method/,
      /Transient.warm\(\) in RootTestModule .*transient.*Move the method/,
      /Dependent.warm\(\) in RootTestModule .*request-scoped.*Move the method/,
    ];
    for (const mistake of expected) expect(mistakes).toContainEqual(expect.stringMatching(mistake));
    expect(mistakes).toHaveLength(expected.length);
  });

  it('tells two instances of one provider apart by their modules', async () => {
    @Injectable()
    class Events {
      @Warm({ name: 'events' })
      warm(): void {}
    }
    @Module({ providers: [Events] })
    class ShopModule {}
    @Module({ providers: [Events] })
    class AdminModule {}

    const app = await compile({ imports: [ShopModule, AdminModule] });

    await expect(app.init()).rejects.toThrow(
      /by @Warm\(\) on Events.warm\(\) in ShopModule and by @Warm\(\) on Events.warm\(\) in AdminModule\. .*list it in one and export it/,
    );
  });

  it('goes on methods that can be found, once each', () => {
    const declare = (decorate: (decorator: ReturnType<typeof Warm>) => unknown) => () => decorate(Warm({ name: 'x' }));
    class Events {
      static fixed(): void {}
      warm(): void {}
      [Symbol.iterator](): void {}
    }
    const descriptor = (owner: object, key: string | symbol) => Object.getOwnPropertyDescriptor(owner, key)!;

    expect(declare((warm) => warm(Events, 'fixed', descriptor(Events, 'fixed')))).toThrow('neither static');
    expect(
      declare((warm) => warm(Events.prototype, Symbol.iterator, descriptor(Events.prototype, Symbol.iterator))),
    ).toThrow('named by a symbol');
    expect(declare((warm) => warm(Events.prototype, 'gone', { value: 1 as never }))).toThrow('Put it on a method');
    const twice = declare((warm) => warm(Events.prototype, 'warm', descriptor(Events.prototype, 'warm')));
    twice();
    expect(twice).toThrow('@Warm() is twice on Events.warm()');
  });
});

describe('CacheWarmer', () => {
  it('runs what was registered, all of it or by name, each once', async () => {
    const warmer = await start({});
    const runs: string[] = [];
    for (const name of ['events', 'venues', 'flags']) warmer.registerWarmer(name, () => void runs.push(name));

    expect((await warmer.warm()).done).toEqual(['events', 'venues', 'flags']);
    expect((await warmer.warm('flags')).done).toEqual(['flags']);
    expect((await warmer.warm(['venues', 'venues', 'events'])).done).toEqual(['venues', 'events']);
    expect((await warmer.warm([])).done).toEqual([]);

    expect(runs).toEqual(['events', 'venues', 'flags', 'flags', 'venues', 'events']);
  });

  it('reports a warmer that fails, and runs the others', async () => {
    const warmer = await start({ warming: { onBoot: false, concurrency: 1 } });
    const error = new Error('no database');
    warmer.registerWarmer('failing', () => Promise.reject(error));
    warmer.registerWarmer('fine', () => 1);

    expect(await warmer.warm()).toMatchObject({ done: ['fine'], failed: [{ name: 'failing', error }] });
  });

  it('refuses unknown names before it runs anything, and lists those there are', async () => {
    const warmer = await start({});
    let runs = 0;
    warmer.registerWarmer('events', () => void runs++);

    const error = await warmer.warm(['events', 'vnues', 'x']).catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(UnknownWarmerError);
    expect(error).toMatchObject({ code: 'CACHE_UNKNOWN_WARMER', unknown: ['vnues', 'x'], known: ['events'] });
    expect(String(error)).toContain('There is no cache warmer "vnues" or "x". There are: "events".');
    expect(runs).toBe(0);
  });

  it('refuses a name that is taken, what is no function, and a wrong period', async () => {
    const warmer = await start({});
    warmer.registerWarmer('events', () => undefined);

    expect(() => warmer.registerWarmer('events', () => undefined)).toThrow('The name "events" is taken twice');
    expect(() => warmer.registerWarmer('venues', 'x' as never)).toThrow('The task of registerWarmer("venues")');
    expect(() => warmer.registerWarmer('venues', () => undefined, { every: '5' as never })).toThrow("'5ms'");
    expect(warmer.names()).toEqual(['events']);
  });

  it('names both when a registered warmer has the name of a decorated one', async () => {
    @Injectable()
    class Events {
      constructor(warmer: CacheWarmer) {
        warmer.registerWarmer('events', () => undefined);
      }
      @Warm({ name: 'events' })
      warm(): void {}
    }

    const app = await compile({ providers: [Events] });

    await expect(app.init()).rejects.toThrow('by registerWarmer("events") and by @Warm() on Events.warm()');
  });
});

describe('Warming at boot', () => {
  /** A provider whose warmer the spec lets go when it wants. */
  function heldProvider() {
    let begin!: () => void;
    let settle!: { resolve: () => void; reject: (error: Error) => void };
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const result = new Promise<void>((resolve, reject) => (settle = { resolve, reject }));
    const seen: AbortSignal[] = [];
    @Injectable()
    class Events {
      @Warm({ name: 'events' })
      warm({ signal }: WarmContext): Promise<void> {
        seen.push(signal);
        begin();
        return result;
      }
    }
    return { Events, begun, settle, seen };
  }

  it('goes on in the background, and is logged', async () => {
    const { Events, begun, settle } = heldProvider();

    const warmer = await start({ providers: [Events], warming: {} });
    await begun;
    expect(lines.filter((line) => line.includes('Warmed'))).toEqual([]);
    const joined = warmer.warm();
    settle.resolve();

    expect((await joined).done).toEqual(['events']);
    await new Promise(setImmediate);
    expect(lines).toContainEqual(expect.stringMatching(/^log Warmed 1 of 1 in \d+ ms: events in \d+ ms$/));
  });

  it('is waited for when told so', async () => {
    const { Events, begun, settle } = heldProvider();
    const app = await compile({ providers: [Events], warming: { onBoot: 'wait' } });

    let started = false;
    const starting = app.init().then(() => (started = true));
    await begun;
    await new Promise(setImmediate);
    expect(started).toBe(false);
    settle.resolve();

    await starting;
  });

  it('does not fail the start when a warmer fails, and warns', async () => {
    const { Events, settle } = heldProvider();
    settle.reject(new Error('no database'));

    await start({ providers: [Events], warming: { onBoot: 'wait' } });

    expect(lines).toContainEqual(expect.stringMatching(/^warn Warmed 0 of 1 in \d+ ms: events failed: no database$/));
  });

  it('says nothing where there is nothing to warm', async () => {
    await start({ warming: { onBoot: 'wait' } });

    expect(lines.filter((line) => line.includes('Warmed'))).toEqual([]);
  });

  it('does not happen when told so', async () => {
    const { Events, seen } = heldProvider();

    await start({ providers: [Events], warming: { onBoot: false } });
    await new Promise(setImmediate);

    expect(seen).toEqual([]);
  });

  it('runs what a provider registers while it is built', async () => {
    let runs = 0;
    @Injectable()
    class Flags {
      constructor(warmer: CacheWarmer) {
        warmer.registerWarmer('flags', () => void runs++);
      }
    }

    await start({ providers: [Flags], warming: { onBoot: 'wait' } });

    expect(runs).toBe(1);
  });

  it('is stopped by a shutdown, without a warning', async () => {
    const { Events, begun, settle, seen } = heldProvider();
    await start({ providers: [Events], warming: {} });
    await begun;
    seen[0]!.addEventListener('abort', () => settle.reject(seen[0]!.reason as Error));

    await apps.splice(0)[0]!.close();

    expect(seen[0]!.aborted).toBe(true);
    expect(lines.filter((line) => line.startsWith('warn'))).toEqual([]);
  });
});

describe('A warmer with a period', () => {
  it.each([false, 'background'] as const)('runs again and again until the shutdown: onBoot %p', async (onBoot) => {
    let runs = 0;
    let third!: () => void;
    const thrice = new Promise<void>((resolve) => (third = resolve));
    @Injectable()
    class Flags {
      @Warm({ name: 'flags', every: '20ms' })
      warm(): void {
        if (++runs === 3) third();
      }
    }

    await start({ providers: [Flags], warming: { onBoot } });
    if (onBoot === false) expect(runs).toBe(0);
    await thrice;
    await apps.splice(0)[0]!.close();
    const atClose = runs;
    await new Promise((resolve) => setTimeout(resolve, 60));

    expect(runs).toBe(atClose);
    expect(lines).toContainEqual(expect.stringMatching(/^debug Warmed 1 of 1/));
  });

  it('runs when its time has come, also when it is added to a running application', async () => {
    const warmer = await start({ warming: {} });

    await new Promise<void>((resolve) => warmer.registerWarmer('late', () => resolve(), { every: '5ms' }));

    expect(warmer.names()).toEqual(['late']);
  });

  it('leaves no timer behind', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'performance', 'queueMicrotask'] });
    try {
      @Injectable()
      class Flags {
        @Warm({ name: 'flags', every: '1h' })
        warm(): void {}
      }
      await start({ providers: [Flags], warming: { onBoot: 'wait' } });
      expect(jest.getTimerCount()).toBe(1);

      await apps.splice(0)[0]!.close();

      expect(jest.getTimerCount()).toBe(0);
    } finally {
      jest.useRealTimers();
    }
  });
});
