import type { Type } from '@nestjs/common';
import type { ResolvedPolicy } from '../policies/resolve-policy.js';
import type { PolicyRegistry } from './policy-registry.js';
import {
  declarationsOf,
  type CostOf,
  type LimitDeclaration,
  type RateLimitCallOptions,
  type SkipDeclaration,
} from './rate-limit.metadata.js';

/** A policy of a handler. */
export interface RoutePolicy {
  readonly policy: ResolvedPolicy;
  /** Undefined: that of the policy. */
  readonly cost: number | CostOf | undefined;
  /** Whether it is there by `defaults`, and no decorator has named it. */
  readonly isDefault: boolean;
}

/** A handler, and what its calls are decided by. */
export interface Route {
  /** The key of the route: module, class and method. */
  readonly endpoint: string;
  readonly policies: readonly RoutePolicy[];
}

const OPTIONS = ['cost'];

/** Reads what the decorators of a class and its methods say. */
export class ClassPolicies {
  readonly #ofClass: RoutePolicy[];
  readonly #skips: readonly SkipDeclaration[];

  /**
   * @param path what the class is called
   * @param mistakes where what is wrong is noted, to be told all at once
   */
  constructor(
    type: Type,
    private readonly path: string,
    private readonly registry: PolicyRegistry,
    mistakes: string[],
  ) {
    const { limits, skips } = declarationsOf(type);
    this.#skips = skips;
    this.#ofClass = this.#read(limits, path, path, mistakes);
    this.#checkSkips(skips, path, mistakes);
  }

  /** @param method its function, which has the metadata */
  route(name: string, method: object, mistakes: string[]): Route {
    const endpoint = `${this.path}.${name}`;
    const { limits, skips } = declarationsOf(method);
    const place = `${endpoint}()`;
    this.#checkSkips(skips, place, mistakes);
    const defaults = this.registry.defaults.map((policy) => ({ policy, cost: undefined, isDefault: true }));
    const outer = [...without(defaults, this.#skips), ...this.#ofClass];
    const all = [...without(outer, skips), ...this.#read(limits, endpoint, place, mistakes)];
    // Once each, as the nearest of those that name it says.
    return { endpoint, policies: [...new Map(all.map((one) => [one.policy.name, one])).values()] };
  }

  #read(limits: readonly LimitDeclaration[], owner: string, place: string, mistakes: string[]): RoutePolicy[] {
    const found: RoutePolicy[] = [];
    let inline = 0;
    for (const { policies, options } of limits) {
      const path = `@RateLimit() on ${place}`;
      if (policies.length === 0)
        mistakes.push(`${path} names no policy. Give a name, or a policy such as gcra({ ... }).`);
      checkOptions(options, path, mistakes);
      for (const given of policies) {
        const isInline = typeof given === 'object' && given !== null;
        if (isInline) inline += 1;
        const name = inline > 1 ? `${owner}#${inline}` : owner;
        const policy = isInline
          ? this.registry.inline(name, given, path, mistakes)
          : this.#named(given, path, mistakes);
        if (policy) found.push({ policy, cost: costOf(options, policy, path, mistakes), isDefault: false });
      }
    }
    return found;
  }

  #named(name: unknown, path: string, mistakes: string[]): ResolvedPolicy | undefined {
    const policy = typeof name === 'string' ? this.registry.get(name) : undefined;
    if (!policy) mistakes.push(`${path} names ${unknownPolicy(name)}`);
    return policy;
  }

  #checkSkips(skips: readonly SkipDeclaration[], place: string, mistakes: string[]): void {
    for (const name of skips.flat()) {
      if (!this.registry.get(name)) mistakes.push(`@SkipRateLimit() on ${place} names ${unknownPolicy(name)}`);
    }
  }
}

function checkOptions(options: object, path: string, mistakes: string[]): void {
  for (const name of Object.keys(options)) {
    if (OPTIONS.includes(name)) continue;
    const known = OPTIONS.join(', ');
    mistakes.push(
      `${path} has the option "${name}", which there is not. Known: ${known}. A policy is made by gcra() and such.`,
    );
  }
  const { cost } = options as { cost?: unknown };
  if (cost === undefined || typeof cost === 'function' || (Number.isSafeInteger(cost) && (cost as number) >= 1)) return;
  mistakes.push(`${path} has the cost ${String(cost)}. Give a whole number of 1 or more, or a function.`);
}

function costOf(
  { cost }: RateLimitCallOptions,
  policy: ResolvedPolicy,
  path: string,
  mistakes: string[],
): RoutePolicy['cost'] {
  // Of what may be under way at the same time, each call takes one place.
  if (policy.shape.kind === 'concurrency') return undefined;
  if (typeof cost === 'number' && cost > policy.capacity && !policy.limitFor) {
    mistakes.push(
      `${path} has the cost ${cost}, more than the ${policy.capacity} that "${policy.name}" gives at once. Lower it, or raise that.`,
    );
  }
  return cost;
}

function without(policies: readonly RoutePolicy[], skips: readonly SkipDeclaration[]): readonly RoutePolicy[] {
  if (skips.some((names) => names.length === 0)) return [];
  return policies.filter(({ policy }) => !skips.some((names) => names.includes(policy.name)));
}

function unknownPolicy(name: unknown): string {
  const shown = typeof name === 'string' ? JSON.stringify(name.slice(0, 64)) : `a value of type ${typeof name}`;
  return `${shown}, and there is no such policy. Add it to "policies" of RateLimitModule, or correct the name.`;
}
