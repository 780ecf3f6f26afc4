import type { DynamicModule, INestApplication, LoggerService, Type } from '@nestjs/common';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { RateLimitModule, type Policy } from '@nuthatch/rate-limit';
import { RedisModule, type RedisConnectionOptions } from '@nuthatch/redis';
import { GUARD_PORTS } from '../../../libs/rate-limit/src/guard/guard.tokens.js';
import { eventually } from '../../harness/index.js';
import { RecordingGate } from './recording-gate.js';

export interface GuardedAppOptions {
  readonly policies?: Record<string, Policy>;
  readonly defaults?: readonly string[];
  /** Whether the limits are real ones. @default they are those of a RecordingGate */
  readonly gate?: 'real';
  /** Of the limits that are real. @default an embedded one */
  readonly connection?: RedisConnectionOptions;
  /** Which proxies the server believes. */
  readonly trustProxy?: string;
  readonly imports?: (Type | DynamicModule)[];
  readonly controllers?: Type[];
  readonly providers?: object[];
  readonly logger?: LoggerService;
  /** Before it listens. */
  readonly prepare?: (app: INestApplication) => void | Promise<void>;
}

export interface GuardedApp {
  readonly app: INestApplication;
  readonly url: string;
  readonly gate: RecordingGate;
}

export type Platform = 'express' | 'fastify';
export const PLATFORMS: readonly Platform[] = ['express', 'fastify'];

const silent: LoggerService = { log: () => undefined, warn: () => undefined, error: () => undefined };
const open: INestApplication[] = [];

/** Starts an application on a free port. {@link closeApps} ends it. */
export async function startApp(platform: Platform, options: GuardedAppOptions): Promise<GuardedApp> {
  const { trustProxy } = options;
  const gate = new RecordingGate();
  const module = await Test.createTestingModule({
    imports: [
      RedisModule.forRoot({ connections: { default: options.connection ?? { mode: 'embedded' } } }),
      RateLimitModule.forRoot({
        redisTimeout: '2s',
        policies: options.policies ?? {},
        defaults: options.defaults ?? [],
      }),
      ...(options.imports ?? []),
    ],
    controllers: options.controllers ?? [],
    providers: (options.providers ?? []) as Type[],
  })
    .setLogger(options.logger ?? silent)
    .compile();
  // Whatever asks it gets this one.
  if (options.gate !== 'real') Object.assign(module.get<object>(GUARD_PORTS), { gate });
  const app =
    platform === 'express'
      ? module.createNestApplication<NestExpressApplication>(new ExpressAdapter())
      : module.createNestApplication(new FastifyAdapter(trustProxy === undefined ? {} : { trustProxy }));
  open.push(app);
  if (trustProxy !== undefined && platform === 'express')
    (app as NestExpressApplication).set('trust proxy', trustProxy);
  await options.prepare?.(app);
  await app.listen(0, '127.0.0.1');
  return { app, url: await app.getUrl(), gate };
}

export async function closeApps(): Promise<void> {
  await Promise.all(open.splice(0).map((app) => app.close()));
}

/** Waits until an assertion holds. */
export async function until(assertion: () => unknown): Promise<void> {
  const holds = async (): Promise<true> => {
    await assertion();
    return true;
  };
  await eventually('the assertion holds', holds, 5_000);
}

/** What a response says of its limits, without whose they are. */
export function limitsOf({ headers }: Response): string | undefined {
  return headers.get('ratelimit')?.replaceAll(/;pk=:[^:]+:/g, '');
}
