// A process with a cache, which does what a spec tells it over IPC; see CacheProcess.
import '../../harness/shifted-clock.js';
import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CacheModule, CacheService } from '@nuthatch/cache';
import { RedisConnections, RedisModule } from '@nuthatch/redis';
import type { ServerConnection } from '@nuthatch/redis/internal';
import { WorkerCommands } from './worker-commands.js';
import type { Answer, Request, WorkerSetup } from './worker-messages.js';

const answer = (message: Answer): void => void (process.connected && process.send!(message));

process.on('unhandledRejection', (reason) => answer({ trouble: `unhandled rejection: ${describe(reason)}` }));
process.on('uncaughtException', (error) => answer({ trouble: `uncaught exception: ${describe(error)}` }));
process.on('warning', (warning) => answer({ trouble: `warning: ${describe(warning)}` }));

const { connection, cache, database } = JSON.parse(process.argv[2]!) as WorkerSetup;

class AppModule {}
Module({
  imports: [RedisModule.forRoot({ connections: { default: connection } }), CacheModule.forRoot(cache)],
})(AppModule);

const app = await NestFactory.createApplicationContext(AppModule, { logger: false });
const server = app.get(RedisConnections).get() as ServerConnection;
const commands = new WorkerCommands(app.get(CacheService), server, database, (begun) => answer({ begun }));

const running = new Set<Promise<void>>();

process.on('message', (request: Request) => {
  if ('finish' in request) return commands.finish(request.finish, request.result);
  if (request.call === 'close') return void close(request.id);
  const run = perform(request).finally(() => running.delete(run));
  running.add(run);
});
answer({ id: 0 });

async function perform({ id, call, args }: Extract<Request, { call: string }>): Promise<void> {
  try {
    const command = (commands as unknown as Record<string, (...args: unknown[]) => unknown>)[call]!;
    answer({ id, value: await command.apply(commands, [...args]) });
  } catch (error) {
    const { message, code } = error as Error & { code?: string };
    answer({ id, error: { message, ...(code !== undefined && { code }) } });
  }
}

/** From here on nothing may keep this process alive. */
async function close(id: number): Promise<void> {
  try {
    await app.close();
  } catch (error) {
    answer({ trouble: `close: ${describe(error)}` });
  }
  commands.end();
  // What callers who are left get, they get soon; loads that are held are nobody's concern.
  await Promise.race([Promise.allSettled(running), sleep(200, undefined, { ref: false })]);
  answer({ id });
  process.disconnect();
}

function describe(reason: unknown): string {
  return reason instanceof Error ? (reason.stack ?? reason.message) : String(reason);
}
