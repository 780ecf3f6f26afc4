import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Controller, Get, Injectable, Logger, Param, SetMetadata, type Type } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { Test, type TestingModule } from '@nestjs/testing';
import { RedisModule, ServiceNotInjectedError } from '@nuthatch/redis';
import { LockBusyError, LockCallError, LockExpiredError, LockNestedError } from '../lock.errors.js';
import { LockModule } from '../lock.module.js';
import { LockService } from '../lock.service.js';
import { resolveKeys } from '../resolve-keys.js';
import { assertLocked, currentLock } from '../sections/current-lock.js';
import { gate, settled } from '../sections/fixtures/gate.js';
import { LocalLocks } from '../sections/fixtures/local-locks.js';
import { LockSections } from '../sections/lock-sections.js';
import { WithLock, type WithLockOptions } from './with-lock.decorator.js';

let locks: LocalLocks;
let apps: TestingModule[];

beforeEach(() => {
  locks = new LocalLocks();
  apps = [];
  jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
});

afterEach(async () => {
  jest.restoreAllMocks();
  await Promise.all(apps.map((app) => app.close()));
});

async function start<T>(service: Type<T>, of = locks): Promise<T> {
  const module = await Test.createTestingModule({
    providers: [service, { provide: LockSections, useValue: new LockSections(of) }],
  }).compile();
  apps.push(module);
  return module.get(service);
}

/** Takes a lock as another instance would. */
function take(key: string): Promise<{ release(): Promise<unknown> }> {
  return locks.acquire({ ...locks.options, targets: resolveKeys(locks.root, key) });
}

interface Order {
  readonly id: string;
}

@Injectable()
class Orders {
  readonly log: string[] = [];
  readonly open = gate();

  @WithLock('orders')
  async list(): Promise<string> {
    return currentLock().key;
  }

  @WithLock((id: string) => `order:${id}`)
  async pay(id: string, amount: number): Promise<string> {
    this.log.push(`${id} begins`);
    await this.open.passed;
    this.log.push(`${id} ends`);
    return `${id}: ${amount}`;
  }

  @WithLock(({ id }: Order) => [`order:${id}`, 'stock'])
  async ship(order: Order): Promise<string> {
    return this.pack(order.id);
  }

  @WithLock((id: string) => `order:${id}`)
  async pack(id: string): Promise<string> {
    assertLocked(`order:${id}`);
    assertLocked('stock');
    return currentLock().key;
  }

  @WithLock('orders', { wait: '2s', ttl: '20s', maxHold: '1m', lockDelay: '3s', fair: false })
  async archive(): Promise<void> {}

  @WithLock('orders', { onBusy: 'skip', wait: '0ms' })
  async prune(busy?: Error): Promise<number | undefined> {
    if (busy) throw busy;
    return 7;
  }

  @WithLock('orders')
  async refuse(): Promise<never> {
    throw new RangeError('full');
  }

  @WithLock((id?: string) => id as string)
  async cancel(_id?: string): Promise<void> {
    this.log.push('cancelled');
  }
}

describe('A method with a lock', () => {
  it('runs with its arguments while the lock is held', async () => {
    const orders = await start(Orders);

    const run = orders.pay('42', 5);
    await settled();
    expect(locks.held.map(({ key }) => key)).toEqual(['order:42']);
    orders.open.open();

    expect(await run).toBe('42: 5');
    expect(locks.held).toEqual([]);
    expect(locks.requests[0]!.targets).toEqual(resolveKeys(locks.root, 'order:42'));
  });

  it('runs one call of each key after the other', async () => {
    const orders = await start(Orders);

    const runs = ['1', '1', '2'].map((id) => orders.pay(id, 5));
    await settled();
    expect(orders.log).toEqual(['1 begins', '2 begins']);
    orders.open.open();
    await Promise.all(runs);

    expect(orders.log.slice(2)).toEqual(['1 ends', '2 ends', '1 begins', '1 ends']);
  });

  it('may have one key for all calls', async () => {
    expect(await (await start(Orders)).list()).toBe('orders');
  });

  it('may have several keys, and enters others of its class that use some of them', async () => {
    const orders = await start(Orders);

    expect(await orders.ship({ id: '1' })).toBe('order:1, stock');
    expect(locks.asked).toEqual(['order:1, stock']);
  });

  it('rejects with what it throws', async () => {
    await expect((await start(Orders)).refuse()).rejects.toThrow(new RangeError('full'));
    expect(locks.held).toEqual([]);
  });

  it('rejects when it was not alone until its end', async () => {
    const loss = new LockExpiredError('orders', 1n, 'Redis did not answer.');
    @Injectable()
    class Losing {
      @WithLock('orders')
      async run(): Promise<void> {
        locks.held[0]!.lose(loss);
      }
    }

    await expect((await start(Losing)).run()).rejects.toThrow(loss);
  });

  it('does not run when its key is none', async () => {
    const orders = await start(Orders);

    await expect(orders.cancel()).rejects.toThrow(LockCallError);
    await expect(orders.cancel('')).rejects.toThrow('The key of a lock is empty.');
    expect(orders.log).toEqual([]);
  });

  it('uses the locks of its own application', async () => {
    const others = new LocalLocks();
    const [one, other] = [await start(Orders), await start(Orders, others)];

    await one.list();
    await other.list();
    await other.list();

    expect([locks.asked.length, others.asked.length]).toEqual([1, 2]);
  });

  it('says which module to import when that is missing, or Nest has not made the object', async () => {
    await expect(Test.createTestingModule({ providers: [Orders] }).compile()).rejects.toThrow(
      /LockModule\.forRoot\(\)/,
    );
    await expect(new Orders().list()).rejects.toThrow(ServiceNotInjectedError);
  });

  it('keeps its route and its metadata, above and below', async () => {
    @Controller('orders')
    class OrdersController {
      @SetMetadata('above', 1)
      @WithLock((id) => `order:${String(id)}`)
      @Get(':id')
      @SetMetadata('below', 2)
      async read(@Param('id') id: string): Promise<string> {
        return `${id} under ${currentLock().key}`;
      }
    }
    const module = await Test.createTestingModule({
      controllers: [OrdersController],
      providers: [{ provide: LockSections, useValue: new LockSections(locks) }],
    }).compile();
    apps.push(module);
    const app = module.createNestApplication();
    await app.listen(0, '127.0.0.1');

    const response = await fetch(`${await app.getUrl()}/orders/7`);

    expect(await response.text()).toBe('7 under order:7');
    const reflector = new Reflector();
    expect(reflector.get('above', OrdersController.prototype.read)).toBe(1);
    expect(reflector.get('below', OrdersController.prototype.read)).toBe(2);
    await app.close();
  });
});

describe('A method with a lock in an application with LockModule', () => {
  it('waits for whoever holds the lock, and enters from sections that hold it', async () => {
    const module = await Test.createTestingModule({
      imports: [RedisModule.forRoot(), LockModule.forRoot()],
      providers: [Orders],
    }).compile();
    apps.push(module);
    await module.init();
    const [orders, service] = [module.get(Orders), module.get(LockService)];
    const taken = await service.acquire('orders');

    expect(await orders.prune()).toBeUndefined();
    const waiting = orders.list();
    await taken.release();
    expect(await waiting).toBe('orders');
    expect(await service.withLock('orders', () => orders.prune())).toBe(7);
    await expect(service.withLock('orders', () => service.acquire('orders'))).rejects.toThrow(LockNestedError);
  });
});

describe('A method whose lock is taken', () => {
  it('rejects with a LockBusyError', async () => {
    locks = new LocalLocks({ wait: '0ms' });
    const orders = await start(Orders);
    await take('orders');

    await expect(orders.list()).rejects.toThrow(LockBusyError);
  });

  it('is skipped when it says so, and then resolves to undefined', async () => {
    const orders = await start(Orders);
    const lock = await take('orders');

    expect(await orders.prune()).toBeUndefined();
    await lock.release();
    expect(await orders.prune()).toBe(7);
  });

  it('is not taken for skipped when it throws such an error itself, nor for another error', async () => {
    const orders = await start(Orders);
    const busy = new LockBusyError('elsewhere', { waitedMs: 0, position: 0 });
    const nested = new LockNestedError('orders');

    await expect(orders.prune(busy)).rejects.toThrow(busy);
    locks.failure.acquire = nested;
    await expect(orders.prune()).rejects.toThrow(nested);
  });
});

describe('The options of a method with a lock', () => {
  it('are those of the module where it says nothing', async () => {
    locks = new LocalLocks({ wait: '1s', ttl: '12s' });
    const orders = await start(Orders);

    await orders.list();
    await orders.archive();
    await orders.archive();

    const [plain, ...own] = locks.requests;
    expect(plain).toMatchObject({ waitMs: 1_000, ttlMs: 12_000, maxHoldMs: 3_600_000, delayMs: 0, fair: true });
    for (const request of own) {
      expect(request).toMatchObject({ waitMs: 2_000, ttlMs: 20_000, maxHoldMs: 60_000, delayMs: 3_000, fair: false });
    }
  });

  it('are checked against each module', async () => {
    await (await start(Orders)).archive();
    const slow = await start(Orders, new LocalLocks({ redisTimeout: '7s' }));

    await expect(slow.archive()).rejects.toThrow(/options\.ttl is '20s', less than 3 times "redisTimeout" \(7000ms\)/);
  });

  it.each<[object, string]>([
    [{ wait: 5 }, "options.wait is 5. Write the unit: '5ms'"],
    [{ ttl: '0ms' }, 'options.ttl is "0ms"'],
    [{ ttl: '10s', maxHold: '5s' }, "options.maxHold is '5s', less than the ttl of '10s'"],
    [{ fair: 1, retries: 3 }, 'options.fair is 1. Use true or false. options.retries is not an option'],
    [{ onBusy: 'wait' }, `options.onBusy is "wait". Use one of 'throw', 'skip'.`],
    [null as never, 'options is no object'],
  ])('are checked where the class is written: %j', (options, message) => {
    const decorate = () => WithLock('orders', options as WithLockOptions);

    expect(decorate).toThrow(LockCallError);
    expect(decorate).toThrow(message);
  });

  it('may leave to the module what only that can tell', () => {
    expect(() => WithLock('orders', { ttl: '1ms' })).not.toThrow();
    expect(() => WithLock('orders', { maxHold: '1ms' })).not.toThrow();
  });

  it.each([
    ['', 'is empty'],
    [[], 'list of keys is empty'],
    [['a', undefined as never], 'of type undefined'],
  ])('may have no key that is none: %j', (key, message) => {
    expect(() => WithLock(key)).toThrow(LockCallError);
    expect(() => WithLock(key)).toThrow(message);
  });

  it('are checked by the compiler', () => {
    class Checked {
      @WithLock((id: number, ..._rest: unknown[]) => `order:${id}`)
      async fewer(_id: number, _note?: string): Promise<void> {}

      // @ts-expect-error The method is called with a string.
      @WithLock((id: number) => `order:${id}`)
      async other(_id: string): Promise<void> {}

      // @ts-expect-error The method may be called without it.
      @WithLock((id: string) => `order:${id}`)
      async optional(_id?: string): Promise<void> {}

      // @ts-expect-error No promise.
      @WithLock('orders')
      direct(): void {}

      @WithLock('orders', { onBusy: 'skip' })
      async nothing(): Promise<void> {}

      // @ts-expect-error A call that is skipped resolves to undefined.
      @WithLock('orders', { onBusy: 'skip' })
      async always(): Promise<number> {
        return 1;
      }

      @WithLock('orders', { onBusy: 'throw' })
      async thrown(): Promise<number> {
        return 1;
      }

      // @ts-expect-error It would end all calls for good.
      @WithLock('orders', { signal: AbortSignal.timeout(1) })
      async ended(): Promise<void> {}
    }

    expect(Checked.prototype).toBeDefined();
  });
});
