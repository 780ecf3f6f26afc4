import { Logger, type ExecutionContext, type OnModuleInit, type Type } from '@nestjs/common';
import type { MetadataScanner, ModulesContainer } from '@nestjs/core';
import { RateLimitOptionsError } from '../rate-limit.errors.js';
import { nameClasses } from './endpoint-names.js';
import { GUARDED_CALLS } from './guard.tokens.js';
import type { PolicyRegistry } from './policy-registry.js';
import { declarationsOf } from './rate-limit.metadata.js';
import { ClassPolicies, type Route } from './route-policies.js';
import { mentions } from './subjects-of.js';

interface RoutesOfClass {
  readonly policies: ClassPolicies;
  /** By the functions that Nest calls; those that a constructor makes go with their objects. */
  readonly byMethod: WeakMap<object, Route>;
}

type HandlerFunction = object & { readonly name: string };

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

const IMPORTED_TWICE =
  'RateLimitModule is imported twice, and each of them would charge every call. Import it once in the root module, with all ' +
  'policies. Where several modules need it, keep what forRoot() returns in a constant and import that.';

/** All handlers of the application with their policies. Checks the decorators at boot. */
export class Routes implements OnModuleInit {
  readonly #byClass = new Map<unknown, RoutesOfClass>();
  /** What is wrong in the others. */
  readonly #wrong = new Map<unknown, readonly string[]>();
  readonly #logger = new Logger('RateLimitModule');

  constructor(
    private readonly registry: PolicyRegistry,
    private readonly modules: ModulesContainer,
    private readonly scanner: Pick<MetadataScanner, 'getAllMethodNames'>,
  ) {}

  /** @throws RateLimitOptionsError for a second RateLimitModule, and for what is wrong in all decorators */
  onModuleInit(): void {
    this.#explore();
    const mistakes = [...this.#wrong.values()].flat();
    if (mistakes.length > 0) throw new RateLimitOptionsError(mistakes);
  }

  /** Of the handler that is called. @throws RateLimitOptionsError for what is wrong with it, if it was not there at boot */
  of(context: ExecutionContext): Route {
    const handler = context.getHandler();
    return this.#byClass.get(context.getClass())?.byMethod.get(handler) ?? this.#late(context.getClass(), handler);
  }

  /** The module is loaded lazily, a constructor has made the handler, or it has none of the usual marks. */
  #late(type: Type, handler: HandlerFunction): Route {
    if (!this.#byClass.has(type) && !this.#wrong.has(type)) this.#explore();
    const wrong = this.#wrong.get(type);
    if (wrong) throw new RateLimitOptionsError(wrong);
    const mistakes: string[] = [];
    const known = this.#byClass.get(type);
    const { name, method } = this.#declared(type, handler);
    const policies = known?.policies ?? new ClassPolicies(type, type.name, this.registry, mistakes);
    const byMethod = known?.byMethod ?? new WeakMap<object, Route>();
    const route = byMethod.get(method) ?? policies.route(name, method, mistakes);
    if (mistakes.length > 0) throw new RateLimitOptionsError(mistakes);
    byMethod.set(method, route).set(handler, route);
    if (!known) this.#byClass.set(type, { policies, byMethod });
    return route;
  }

  /** The method of the class that a handler stands for: a constructor may have bound it, which leaves its decorators behind. */
  #declared(type: Type, handler: HandlerFunction): { readonly name: string; readonly method: object } {
    const name = handler.name.replace(/^(?:bound )+/, '');
    const prototype = type.prototype as Record<string, object>;
    const isMethod = !isDecorated(handler) && this.scanner.getAllMethodNames(prototype).includes(name);
    return { name, method: isMethod ? prototype[name]! : handler };
  }

  /** Reads all classes that are not known yet. @throws RateLimitOptionsError for a second RateLimitModule */
  #explore(): void {
    const owners = [...this.modules.values()].filter(({ providers }) => providers.has(GUARDED_CALLS));
    if (owners.length > 1) throw new RateLimitOptionsError([IMPORTED_TWICE]);
    const withoutAddress: string[] = [];
    for (const { type, path } of nameClasses(this.modules)) {
      if (this.#byClass.has(type) || this.#wrong.has(type)) continue;
      const mistakes: string[] = [];
      const policies = new ClassPolicies(type, path, this.registry, mistakes);
      const byMethod = new WeakMap<object, Route>();
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
      if (mistakes.length > 0) this.#wrong.set(type, mistakes);
      else this.#byClass.set(type, { policies, byMethod });
    }
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
