import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { GuardedCalls } from './guarded-calls.js';

/** Guards all handlers that have policies by `defaults`. The others are left to the guards that decorators put on them. */
export class DefaultsGuard implements CanActivate {
  constructor(private readonly calls: GuardedCalls) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    if (!this.calls.hasDefaults(context)) return true;
    const call = this.calls.of(context);
    return call ? call.decideAtGuard().then(() => true) : true;
  }
}
