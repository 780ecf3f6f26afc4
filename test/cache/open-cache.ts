import { Test } from '@nestjs/testing';
import type { INestApplicationContext, LoggerService } from '@nestjs/common';
import { CacheModule, CacheService, type CacheModuleOptions } from '@nuthatch/cache';
import { RedisConnections, RedisModule, type RedisConnectionOptions } from '@nuthatch/redis';
import type { ServerConnection } from '@nuthatch/redis/internal';
import { untilUp } from '../redis/open-connection.js';

export interface OpenCache {
  readonly cache: CacheService;
  readonly connection: ServerConnection;
  readonly app: INestApplicationContext;
}

const silent: LoggerService = { log: () => undefined, warn: () => undefined, error: () => undefined };

const open: INestApplicationContext[] = [];

/** Starts an application with a cache on its own connection, as one of several processes would. */
export async function openCache(
  connection: RedisConnectionOptions,
  options: CacheModuleOptions = {},
): Promise<OpenCache> {
  const module = await Test.createTestingModule({
    // On a busy machine a slow moment is no outage; specs of outages say how long they wait.
    imports: [
      RedisModule.forRoot({ connections: { default: connection } }),
      CacheModule.forRoot({ redisTimeout: '2s', ...options }),
    ],
  })
    .setLogger(silent)
    .compile();
  open.push(module);
  await module.init();
  const server = module.get(RedisConnections).get() as ServerConnection;
  if (server.mode !== ('embedded' as string)) await untilUp(server);
  return { cache: module.get(CacheService), connection: server, app: module };
}

export async function closeCaches(): Promise<void> {
  await Promise.all(open.splice(0).map((app) => app.close()));
}
