import { Test } from '@nestjs/testing';
import type { INestApplicationContext, LoggerService } from '@nestjs/common';
import { LockModule, LockService, type LockModuleOptions } from '@nuthatch/lock';
import { RedisConnections, RedisModule, type RedisConnectionOptions } from '@nuthatch/redis';
import type { ServerConnection } from '@nuthatch/redis/internal';
import { eventually, type RedisServer } from '../harness/index.js';
import { untilUp } from '../redis/open-connection.js';

export interface OpenLocks {
  readonly locks: LockService;
  readonly connection: ServerConnection;
  readonly app: INestApplicationContext;
}

const silent: LoggerService = { log: () => undefined, warn: () => undefined, error: () => undefined };

const open: INestApplicationContext[] = [];

/** Starts an application with locks on its own connection, as one of several processes would. */
export async function openLocks(
  connection: RedisConnectionOptions,
  options: LockModuleOptions = {},
): Promise<OpenLocks> {
  const module = await Test.createTestingModule({
    imports: [RedisModule.forRoot({ connections: { default: connection } }), LockModule.forRoot(options)],
  })
    .setLogger(silent)
    .compile();
  open.push(module);
  await module.init();
  const server = module.get(RedisConnections).get() as ServerConnection;
  await untilUp(server);
  const locks = module.get(LockService);
  // From now on the scripts are known, and the clock of the server.
  await (await locks.acquire('warm-up')).release();
  return { locks, connection: server, app: module };
}

export async function closeLocks(): Promise<void> {
  await Promise.all(open.splice(0).map((app) => app.close()));
}

/** The list of a lock as it is in Redis. */
export async function partsOf(server: RedisServer, key: string): Promise<string[]> {
  return ((await server.call('LRANGE', `app:lock:{${key}}`, 0, -1)) as unknown[]).map(String);
}

/** The ids of those who hold a lock, as they are in Redis, also when their time is over. */
export async function holdersOf(server: RedisServer, key: string): Promise<string[]> {
  const [state = ''] = await partsOf(server, key);
  return state
    .split(';')
    .slice(1)
    .map((holder) => holder.slice(0, holder.indexOf(' ')));
}

export async function waitersOf(server: RedisServer, key: string): Promise<string[]> {
  return (await partsOf(server, key)).slice(2);
}

/** Waits until so many wait for a lock. */
export async function untilWaiting(server: RedisServer, key: string, count = 1): Promise<void> {
  await eventually(`${count} wait for ${key}`, async () => (await waitersOf(server, key)).length === count, 5_000);
}

/** Waits until nobody holds a lock, and nobody waits for it. */
export async function untilFree(server: RedisServer, key: string, withinMs = 5_000): Promise<void> {
  await eventually(
    `${key} is free`,
    async () => (await holdersOf(server, key)).length + (await waitersOf(server, key)).length === 0,
    withinMs,
  );
}
