import { Logger, Module, type BeforeApplicationShutdown, type DynamicModule, type Provider } from '@nestjs/common';
import { DiscoveryModule, DiscoveryService } from '@nestjs/core';
import { RedisConnections, type AsyncModuleOptions, type RedisConnection } from '@nuthatch/redis';
import { asyncOptionsProviders, EmbeddedConnection, joinKey, ServerConnection } from '@nuthatch/redis/internal';
import { LockAdmin } from './admin/lock-admin.js';
import { DecoratorChecks } from './decorators/decorator-checks.js';
import { MemoryLockStore } from './drivers/memory-lock-store.js';
import { MemoryLockDriver } from './drivers/memory.driver.js';
import { RedisLockDriver } from './drivers/redis.driver.js';
import { Elections } from './election/elections.js';
import { createFencedStore, FencedStore } from './fencing/fenced-store.js';
import { ClaimIds } from './holder-id.js';
import { LockCore } from './lock-core.js';
import { LockOptionsError } from './lock.errors.js';
import { resolveLockOptions, type LockModuleOptions } from './lock.options.js';
import { LockService } from './lock.service.js';
import { LockSections } from './sections/lock-sections.js';

/** Where the options of LockModule come from: a factory, a class or an existing provider. */
export type LockModuleAsyncOptions = AsyncModuleOptions<Omit<LockModuleOptions, 'isGlobal'>>;

const OPTIONS = Symbol('@nuthatch/lock:options');
const STORE = Symbol('@nuthatch/lock:store');

/** Provides {@link LockService}, {@link FencedStore} and what the decorators need. Needs RedisModule in the root module. */
@Module({})
export class LockModule {
  /** @throws LockOptionsError that lists every wrong option. */
  static forRoot(options: LockModuleOptions = {}): DynamicModule {
    resolveLockOptions(options);
    return assemble(options.isGlobal, [{ provide: OPTIONS, useValue: options }]);
  }

  /** The same with options from a factory, a class or an existing provider. */
  static forRootAsync(options: LockModuleAsyncOptions): DynamicModule {
    const providers = asyncOptionsProviders(OPTIONS, options, (mistake) => new LockOptionsError([mistake]));
    return { ...assemble(options.isGlobal, providers), imports: [DiscoveryModule, ...(options.imports ?? [])] };
  }
}

/** What ends with the application, in this order: leaders resign, sections end, locks are released. */
class LockShutdown implements BeforeApplicationShutdown {
  constructor(
    private readonly elections: Elections,
    private readonly core: LockCore,
  ) {}

  async beforeApplicationShutdown(): Promise<void> {
    await this.elections.close();
    await this.core.close();
  }
}

function assemble(isGlobal = true, options: Provider[]): DynamicModule {
  return {
    module: LockModule,
    global: isGlobal,
    imports: [DiscoveryModule],
    providers: [
      ...options,
      { provide: LockCore, inject: [OPTIONS, RedisConnections], useFactory: createCore },
      { provide: LockSections, inject: [LockCore], useFactory: (core: LockCore) => new LockSections(core) },
      {
        provide: Elections,
        inject: [LockCore],
        useFactory: (core: LockCore) => new Elections(core, new Logger('Lock')),
      },
      { provide: DecoratorChecks, inject: [DiscoveryService, LockSections], useFactory: createChecks },
      { provide: LockShutdown, inject: [Elections, LockCore], useFactory: createShutdown },
      { provide: LockService, inject: [LockSections, Elections, LockCore], useFactory: createService },
      { provide: FencedStore, inject: [LockCore, RedisConnections], useFactory: createStore },
    ],
    exports: [LockService, LockSections, FencedStore],
  };
}

function createCore(raw: LockModuleOptions, connections: RedisConnections): LockCore {
  const options = resolveLockOptions(raw);
  const connection = connections.get(options.connection);
  const root = `${joinKey([connections.namespace, 'lock'])}:`;
  const ids = new ClaimIds();
  const driver =
    connection instanceof ServerConnection
      ? new RedisLockDriver(connection, root, ids.process, options.redisTimeoutMs)
      : new MemoryLockDriver(storeOf(connection), ids.process, connection.name);
  return new LockCore(driver, options, root, ids);
}

/** Modules of one application that name the same connection exclude each other, as on a server. */
function storeOf(connection: RedisConnection): MemoryLockStore {
  const make = (): MemoryLockStore => new MemoryLockStore();
  return connection instanceof EmbeddedConnection ? connection.keep(STORE, make) : make();
}

function createShutdown(elections: Elections, core: LockCore): LockShutdown {
  return new LockShutdown(elections, core);
}

function createChecks(discovery: DiscoveryService, sections: LockSections): DecoratorChecks {
  return new DecoratorChecks(discovery, sections);
}

function createService(sections: LockSections, elections: Elections, core: LockCore): LockService {
  return new LockService(sections, elections, new LockAdmin(core.driver, core.root));
}

function createStore({ options }: LockCore, connections: RedisConnections): FencedStore {
  return createFencedStore(connections.get(options.connection), connections.namespace);
}
