import { Logger, type ExecutionContext, type OnModuleInit, type Type } from '@nestjs/common';
import type { MetadataScanner, ModulesContainer } from '@nestjs/core';
import { RateLimitOptionsError } from '../rate-limit.errors.js';
import { nameClasses } from './endpoint-names.js';
import type { PolicyRegistry } from './policy-registry.js';
import { declarationsOf } from './rate-limit.metadata.js';
import { ClassPolicies, type Route } from './route-policies.js';
import { mentions } from './subjects-of.js';

interface RoutesOfClass {
  readonly policies: ClassPolicies;
  readonly byMethod: Map<unknown, Route>;
}

// What Nest marks handlers with: HTTP, GraphQL, WebSocket messages, messages of microservices.
const RPC_PATTERN = 'microservices:pattern';
const HANDLER_MARKS = [
  'path',
  'graphql:resolver_type',
  'graphql:resolve_property',
  'graphql:resolve_reference',
  'message',
  RPC_PATTERN,
];

/** All handlers of the application with their policies. Checks the decorators at boot. */
export class Routes implements OnModuleInit {
  readonly #byClass = new Map<unknown, RoutesOfClass>();
  readonly #logger = new Logger('RateLimitModule');

  constructor(
    private readonly registry: PolicyRegistry,
    private readonly modules: ModulesContainer,
    private readonly scanner: Pick<MetadataScanner, 'getAllMethodNames'>,
  ) {}

  /** @throws RateLimitOptionsError that lists what is wrong in all decorators. */
  onModuleInit(): void {
    this.#explore();
  }

  /** Of the handler that is called. @throws RateLimitOptionsError for what is wrong with it, if it was not there at boot */
  of(context: ExecutionContext): Route {
    const handler = context.getHandler();
    return this.#byClass.get(context.getClass())?.byMethod.get(handler) ?? this.#late(context.getClass(), handler);
  }

  /** The module is loaded lazily, or the handler has none of the usual marks. */
  #late(type: Type, handler: { readonly name: string }): Route {
    if (!this.#byClass.has(type)) this.#explore();
    const mistakes: string[] = [];
    const known = this.#byClass.get(type);
    const route = known?.byMethod.get(handler);
    if (route) return route;
    const policies = known?.policies ?? new ClassPolicies(type, type.name, this.registry, mistakes);
    const late = policies.route(handler.name, handler, mistakes);
    if (mistakes.length > 0) throw new RateLimitOptionsError(mistakes);
    if (known) known.byMethod.set(handler, late);
    else this.#byClass.set(type, { policies, byMethod: new Map([[handler, late]]) });
    return late;
  }

  #explore(): void {
    const mistakes: string[] = [];
    const withoutAddress: string[] = [];
    for (const { type, path } of nameClasses(this.modules)) {
      if (this.#byClass.has(type)) continue;
      const policies = new ClassPolicies(type, path, this.registry, mistakes);
      const byMethod = new Map<unknown, Route>();
      const prototype = type.prototype as Record<string, object>;
      for (const name of this.scanner.getAllMethodNames(prototype)) {
        const method = prototype[name]!;
        const isMarked = HANDLER_MARKS.some((mark) => Reflect.hasMetadata(mark, method));
        if (!isMarked && !isDecorated(method)) continue;
        const route = policies.route(name, method, mistakes);
        byMethod.set(method, route);
        if (!isMarked) this.#warnOfNoHandler(route);
        if (Reflect.hasMetadata(RPC_PATTERN, method) && limitsAddresses(route)) withoutAddress.push(route.endpoint);
      }
      this.#byClass.set(type, { policies, byMethod });
    }
    if (mistakes.length > 0) throw new RateLimitOptionsError(mistakes);
    if (withoutAddress.length === 0) return;
    this.#logger.warn(
      `Messages of a microservice have no address, so policies by: 'ip' do not limit ${withoutAddress.join(', ')}. ` +
        "Give these handlers a policy with another by, such as by: (caller) => ..., or by: 'endpoint'.",
    );
  }

  #warnOfNoHandler({ endpoint }: Route): void {
    this.#logger.warn(
      `@RateLimit() or @SkipRateLimit() on ${endpoint}() says nothing unless Nest calls that method: it is no handler of HTTP, ` +
        'GraphQL, WebSocket messages or a microservice that is known. For other methods use RateLimiter.',
    );
  }
}

function isDecorated(method: object): boolean {
  const { limits, skips } = declarationsOf(method);
  return limits.length > 0 || skips.length > 0;
}

function limitsAddresses({ policies }: Route): boolean {
  return policies.some(({ policy }) => mentions(policy.by, 'ip'));
}
