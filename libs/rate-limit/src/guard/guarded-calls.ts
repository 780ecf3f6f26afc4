import type { ExecutionContext } from '@nestjs/common';
import { Admission } from './admission.js';
import { callerOf } from './caller-of.js';
import { attachCall, currentCall } from './current-call.js';
import type { GuardPorts } from './guard.tokens.js';
import { GuardedCall } from './guarded-call.js';
import { propertyAt } from './property-at.js';
import { resolverArgs } from './resolver-args.js';
import type { RoutePolicy } from './route-policies.js';
import type { Routes } from './routes.js';

/** Knows the calls of an application, each of which is decided once, however many guards and interceptors it meets. */
export class GuardedCalls {
  readonly #admission: Admission;

  constructor(
    private readonly ports: GuardPorts,
    private readonly routes: Routes,
  ) {
    this.#admission = new Admission(ports);
  }

  /** Undefined where no policy applies. */
  of(context: ExecutionContext): GuardedCall | undefined {
    const route = this.routes.of(context);
    if (route.policies.length === 0) return undefined;
    const known = currentCall(context);
    if (known?.route === route) return known;
    const policies = appliedPolicies(route.policies, context);
    if (policies.length === 0) return undefined;
    const caller = callerOf(context, route.endpoint, this.ports.requestOf);
    if (caller.kind === 'http') this.ports.onRequest?.(caller.request);
    const call = new GuardedCall(context, route, caller, policies, this.#admission, this.ports.headers);
    attachCall(context, call);
    return call;
  }

  /** Whether one of the policies is there by `defaults`. */
  hasDefaults(context: ExecutionContext): boolean {
    return appliedPolicies(this.routes.of(context).policies, context).some(({ isDefault }) => isDefault);
  }
}

/** A query is one call, and not as many as it has fields below: these have what decorators give them. */
function appliedPolicies(policies: readonly RoutePolicy[], context: ExecutionContext): readonly RoutePolicy[] {
  if (context.getType<string>() !== 'graphql') return policies;
  const isBelow = propertyAt(resolverArgs(context.getArgs<unknown[]>()).info, 'path', 'prev') !== undefined;
  return isBelow ? policies.filter(({ isDefault }) => !isDefault) : policies;
}
