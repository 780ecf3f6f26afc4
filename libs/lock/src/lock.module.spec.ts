import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Injectable, Module, type DynamicModule, type Type } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { RedisModule, UnknownConnectionError, type OptionsFactory } from '@nuthatch/redis';
import { ScheduledLock } from './decorators/scheduled-lock.decorator.js';
import { WithLock } from './decorators/with-lock.decorator.js';
import { FencedStore } from './fencing/fenced-store.js';
import { LockAbortedError, LockOptionsError } from './lock.errors.js';
import { LockModule, type LockModuleAsyncOptions } from './lock.module.js';
import type { LockModuleOptions } from './lock.options.js';
import { LockService } from './lock.service.js';

const options = { ttl: '5s', wait: '1s' } satisfies LockModuleOptions;
const wrong = { ttl: '1s' } satisfies LockModuleOptions;
const apps: TestingModule[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

async function start(imports: (Type | DynamicModule)[], providers: Type[] = []): Promise<TestingModule> {
  const app = await Test.createTestingModule({ imports, providers }).compile();
  apps.push(app);
  return app.init();
}

describe('LockModule.forRoot()', () => {
  it('locks in the process where the connection is embedded', async () => {
    const app = await start([RedisModule.forRoot(), LockModule.forRoot(options)]);
    const locks = app.get(LockService);
    await using lock = await locks.acquire('k');

    expect(lock.validForMs()).toBeGreaterThan(4_000);
    expect(await locks.tryAcquire('k')).toBeNull();
    expect(await locks.tryAcquire('other')).not.toBeNull();
  });

  it('does not share locks with another application in the process', async () => {
    const [one, other] = [
      await start([RedisModule.forRoot(), LockModule.forRoot()]),
      await start([RedisModule.forRoot(), LockModule.forRoot()]),
    ];
    await using lock = await one.get(LockService).acquire('k');

    expect(await other.get(LockService).tryAcquire('k')).toMatchObject({ key: 'k' });
    expect(await one.get(LockService).admin.list()).toHaveLength(1);
    expect(await other.get(LockService).admin.list()).toHaveLength(1);
    expect(await other.get(LockService).admin.forceRelease('k')).toBe(1);
    expect(lock.signal.aborted).toBe(false);
  });

  it('provides what the decorators need', async () => {
    @Injectable()
    class Jobs {
      @WithLock('job')
      async run(locks: LockService): Promise<unknown> {
        return locks.admin.list();
      }
    }
    const app = await start([RedisModule.forRoot(), LockModule.forRoot()], [Jobs]);

    expect(await app.get(Jobs).run(app.get(LockService))).toMatchObject([{ holders: [{ pid: process.pid }] }]);
    expect(app.get(FencedStore)).toBeInstanceOf(FencedStore);
  });

  it('fails the start where a decorator says what the options of the module do not allow', async () => {
    class Base {
      @ScheduledLock('report', { atMostFor: '2s' })
      async report(): Promise<void> {}
    }
    @Injectable()
    class Jobs extends Base {
      @WithLock('fine', { ttl: '3s' })
      async fine(): Promise<void> {}
      @WithLock((id: string) => id, { ttl: '1s' })
      async short(_id: string): Promise<void> {}
    }
    @Controller()
    class Routes {
      @WithLock('route', { maxHold: '4s' })
      async route(): Promise<void> {}
    }
    const lockModule = LockModule.forRoot(options);
    const app = Test.createTestingModule({
      imports: [RedisModule.forRoot(), lockModule],
      providers: [Jobs, { provide: 'the same', useExisting: Jobs }],
      controllers: [Routes],
    });
    const starting = app.compile().then((compiled) => compiled.init());

    const error = await starting.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(LockOptionsError);
    expect((error as LockOptionsError).mistakes).toEqual([
      expect.stringMatching(/^@WithLock\(\) on Jobs\.short\(\): options\.ttl is '1s', less than 3 times/),
      expect.stringMatching(
        /^@ScheduledLock\(\) on Base\.report\(\): options\.atMostFor of job "report" is '2s', less than/,
      ),
      expect.stringMatching(
        /^@WithLock\(\) on Routes\.route\(\): options\.maxHold is '4s', less than the ttl of '5000ms'/,
      ),
    ]);
  });

  it('checks a decorator against the module that serves it, where there are several', async () => {
    @Injectable()
    class Orders {
      @WithLock('order', { ttl: '3s' })
      async pay(): Promise<void> {}
    }
    const locksWith = (redisTimeout: '1s' | '2s') => LockModule.forRoot({ isGlobal: false, redisTimeout });
    @Module({ imports: [locksWith('1s')], providers: [Orders] })
    class Quick {}
    @Module({ imports: [locksWith('2s')] })
    class Slow {}
    @Module({ imports: [locksWith('2s')], providers: [Orders] })
    class Wrong {}

    await expect(start([RedisModule.forRoot(), Quick, Slow])).resolves.toBeDefined();
    await expect(start([RedisModule.forRoot(), Wrong])).rejects.toThrow('@WithLock() on Orders.pay(): options.ttl');
  });

  it('names the mistakes before the application starts', () => {
    expect(() => LockModule.forRoot(wrong)).toThrow(LockOptionsError);
    expect(() => LockModule.forRoot({ isGlobal: false, retries: 1 } as object)).toThrow('options.retries');
  });

  it('fails the start when its connection is not there', async () => {
    const elsewhere = LockModule.forRoot({ connection: 'locks' });

    await expect(start([RedisModule.forRoot(), elsewhere])).rejects.toThrow(UnknownConnectionError);
  });

  it('is visible everywhere, or only where it is imported when it is not global', async () => {
    @Injectable()
    class Orders {
      constructor(readonly locks: LockService) {}
    }
    @Module({ providers: [Orders] })
    class OrdersModule {}
    const own = LockModule.forRoot({ isGlobal: false });
    @Module({ imports: [own], providers: [Orders] })
    class OwnLocksModule {}

    await expect(start([RedisModule.forRoot(), LockModule.forRoot(), OrdersModule])).resolves.toBeDefined();
    await expect(start([RedisModule.forRoot(), OwnLocksModule])).resolves.toBeDefined();
    await expect(start([RedisModule.forRoot(), own, OrdersModule])).rejects.toThrow(
      /Nest can't resolve dependencies of the Orders/,
    );
  });
});

describe('LockModule.forRootAsync()', () => {
  @Injectable()
  class ShopLocks implements OptionsFactory<LockModuleOptions> {
    createOptions(): LockModuleOptions {
      return options;
    }
  }
  @Module({ providers: [ShopLocks], exports: [ShopLocks] })
  class ShopLocksModule {}

  it.each<[string, LockModuleAsyncOptions]>([
    ['a factory', { useFactory: () => options }],
    ['a factory that returns a promise', { useFactory: async () => options }],
    [
      'a factory that depends on another provider',
      { imports: [ShopLocksModule], inject: [ShopLocks], useFactory: (locks: ShopLocks) => locks.createOptions() },
    ],
    ['a class', { useClass: ShopLocks }],
    ['a provider that is there already', { imports: [ShopLocksModule], useExisting: ShopLocks }],
  ])('takes options from %s', async (_, source) => {
    const app = await start([RedisModule.forRoot(), LockModule.forRootAsync(source)]);
    await using lock = await app.get(LockService).acquire('k');

    expect(lock.validForMs()).toBeLessThan(5_000);
  });

  it.each<[string, LockModuleAsyncOptions]>([
    ['none', {}],
    ['two', { useFactory: () => options, useExisting: ShopLocks }],
  ])('needs exactly one source of options, and got %s', (_, source) => {
    expect(() => LockModule.forRootAsync(source)).toThrow(
      new LockOptionsError(['forRootAsync() needs exactly one of useFactory, useClass and useExisting.']),
    );
  });

  it('fails the start with the mistakes in what the factory returns', async () => {
    const source = LockModule.forRootAsync({ useFactory: () => wrong });

    await expect(start([RedisModule.forRoot(), source])).rejects.toThrow(LockOptionsError);
  });
});

describe('The end of the application', () => {
  it('ends waits, lets sections end, and takes no more', async () => {
    const app = await start([RedisModule.forRoot(), LockModule.forRoot()]);
    const locks = app.get(LockService);
    const steps: string[] = [];
    const section = locks.withLock('k', async () => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      steps.push('section');
    });
    await new Promise((resolve) => setImmediate(resolve));
    const waiting = locks.acquire('k', { wait: '60s' }).catch((error: unknown) => error);

    await app.close();
    steps.push('closed');
    await section;

    expect(steps).toEqual(['section', 'closed']);
    expect(await waiting).toBeInstanceOf(LockAbortedError);
    await expect(locks.acquire('other')).rejects.toThrow(LockAbortedError);
    await expect(locks.withLock('other', () => 1)).rejects.toThrow(LockAbortedError);
  });

  it('takes locks that nobody gives back from their holders', async () => {
    const app = await start([RedisModule.forRoot(), LockModule.forRoot()]);
    const lock = await app.get(LockService).acquire('k');
    const startedAt = performance.now();

    await app.close();

    expect(performance.now() - startedAt).toBeLessThan(4_000);
    expect(lock.signal.aborted).toBe(true);
    expect(await lock.release()).toBe('released');
  });
});
