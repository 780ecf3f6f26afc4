import { ValidationPipe, type INestApplication, type LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AppModule, type AppOptions } from './app.module.js';
import { acceptUploads } from './http/accept-uploads.js';
import { invalidFields } from './http/invalid-input.js';

export interface DemoOptions extends AppOptions {
  /** The HTTP server below Nest. @default 'express' */
  readonly adapter?: 'express' | 'fastify';
  /** @default Nest's console logger */
  readonly logger?: LoggerService | false;
}

/** The ticket shop, ready to listen. `main.ts` and the e2e specs start the same one. */
export async function createDemoApp({
  adapter = 'express',
  logger,
  ...options
}: DemoOptions = {}): Promise<INestApplication> {
  const app = await NestFactory.create(
    AppModule.forRoot(options),
    adapter === 'fastify' ? acceptUploads(new FastifyAdapter()) : new ExpressAdapter(),
    // A mistake in the configuration is thrown to the caller, not printed with a stack by Nest.
    { abortOnError: false, ...(logger !== undefined && { logger }) },
  );
  app.useGlobalPipes(
    new ValidationPipe({
      transform: true,
      whitelist: true,
      forbidNonWhitelisted: true,
      exceptionFactory: invalidFields,
    }),
  );
  return app.enableShutdownHooks();
}
