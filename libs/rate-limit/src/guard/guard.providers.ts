import type { InjectionToken, Provider } from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR, MetadataScanner, ModulesContainer } from '@nestjs/core';
import { DefaultsGuard } from './defaults.guard.js';
import { GUARD_PORTS, GUARDED_CALLS, type GuardPorts } from './guard.tokens.js';
import { GuardedCalls } from './guarded-calls.js';
import { RateLimitGuard } from './rate-limit.guard.js';
import { RateLimitInterceptor } from './rate-limit.interceptor.js';
import { Routes } from './routes.js';

/** What a module that provides {@link GUARD_PORTS} has to provide to guard the application. */
export function guardProviders(): Provider[] {
  return [
    {
      provide: Routes,
      inject: [GUARD_PORTS, ModulesContainer],
      useFactory: ({ registry }: GuardPorts, modules: ModulesContainer) =>
        new Routes(registry, modules, new MetadataScanner()),
    },
    {
      provide: GUARDED_CALLS,
      inject: [GUARD_PORTS, Routes],
      useFactory: (ports: GuardPorts, routes: Routes) => new GuardedCalls(ports, routes),
    },
    RateLimitGuard,
    RateLimitInterceptor,
    {
      provide: APP_GUARD,
      inject: [GUARDED_CALLS],
      useFactory: (calls: GuardedCalls) => new DefaultsGuard(calls),
    },
    // Everywhere, as a guard may be put on a handler without it, and what waits for a user must not be forgotten.
    {
      provide: APP_INTERCEPTOR,
      inject: [GUARDED_CALLS],
      useFactory: (calls: object) => new RateLimitInterceptor(calls),
    },
  ];
}

/** What it has to export: guards that decorators put on handlers get this in the module of the handler. */
export const GUARD_EXPORTS: InjectionToken[] = [GUARDED_CALLS, RateLimitGuard, RateLimitInterceptor];
