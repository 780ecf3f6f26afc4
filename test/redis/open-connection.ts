import { randomUUID } from 'node:crypto';
import type { INestApplicationContext, LoggerService } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { RedisConnections, RedisModule, type RedisConnectionOptions } from '@nuthatch/redis';
import type { ServerConnection } from '@nuthatch/redis/internal';
import { sharedTopologies } from '../harness/index.js';

export interface OpenConnection {
  readonly connection: ServerConnection;
  readonly logs: readonly string[];
  readonly app: INestApplicationContext;
}

const open: INestApplicationContext[] = [];

/** Starts an application with one connection, as a user would; {@link closeConnections} ends it. */
export async function openConnection(options: RedisConnectionOptions): Promise<OpenConnection> {
  const logs: string[] = [];
  const note = (message: unknown): void => void logs.push(String(message));
  const logger: LoggerService = { log: note, warn: note, error: note };
  const module = await Test.createTestingModule({
    imports: [RedisModule.forRoot({ connections: { default: options } })],
  })
    .setLogger(logger)
    .compile();
  open.push(module);
  await module.init();
  return { connection: module.get(RedisConnections).get() as ServerConnection, logs, app: module };
}

export async function closeConnections(): Promise<void> {
  await Promise.all(open.splice(0).map((app) => app.close()));
}

/** Waits until the connection is up. */
export async function untilUp(connection: ServerConnection): Promise<void> {
  if (connection.state === 'ready') return;
  await new Promise<void>((resolve) => {
    const off = connection.on('up', () => {
      off();
      resolve();
    });
  });
}

/** How a promise ended, and after how many milliseconds. */
export async function outcomeOf(
  promise: Promise<unknown>,
): Promise<{ value?: unknown; error?: Error; tookMs: number }> {
  const startedAt = performance.now();
  try {
    const value = await promise;
    return { value, tookMs: performance.now() - startedAt };
  } catch (error) {
    return { error: error as Error, tookMs: performance.now() - startedAt };
  }
}

export const uniqueKey = (name: string): string => `spec:${randomUUID()}:${name}`;

/** The three kinds of servers that a connection can have, on what the Jest run shares. */
export function sharedServers(): Record<'standalone' | 'sentinel' | 'cluster', RedisConnectionOptions> {
  const { standalone, sentinel, cluster } = sharedTopologies();
  return {
    standalone: { mode: 'standalone', url: standalone.url },
    sentinel: { mode: 'sentinel', name: sentinel.name, sentinels: sentinel.sentinels },
    cluster: { mode: 'cluster', nodes: cluster.nodes },
  };
}
