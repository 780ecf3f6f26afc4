import { HttpException, Logger } from '@nestjs/common';
import type { CallPart, OpenCall } from '../call.js';
import type { ResolvedPolicy } from '../policies/resolve-policy.js';
import { LimitVariants } from '../policies/with-limit.js';
import { RateLimitCallError, RateLimitCostError } from '../rate-limit.errors.js';
import type { Caller } from './caller.js';
import type { GuardPorts } from './guard.tokens.js';
import { RateLimitFunctionError } from './rate-limit-function.error.js';
import { RateLimitRefusalError } from './rate-limit-refusal.error.js';
import type { RoutePolicy } from './route-policies.js';
import { subjectsOf, waitsForUser } from './subjects-of.js';

/** What was decided, and of which parts. */
export interface Admitted {
  readonly parts: readonly CallPart[];
  readonly call: OpenCall;
}

/** Finds out whom the policies of a call apply to and what it costs, and has that decided. */
export class Admission {
  readonly #variants = new LimitVariants();
  readonly #logger = new Logger('RateLimitGuard');
  /** At most one for each kind of mistake of each policy of each handler. */
  readonly #warned = new Set<string>();

  constructor(private readonly ports: Pick<GuardPorts, 'gate' | 'networksOf'>) {}

  /**
   * Those of one subject stand together, and each comes once: in this order they are decided.
   *
   * @throws RateLimitRefusalError for a call that cannot be decided as it is
   */
  async partsOf(policies: readonly RoutePolicy[], caller: Caller): Promise<readonly CallPart[]> {
    const bySubject = new Map<string, Map<number, CallPart>>();
    for (const policy of policies) {
      for (const part of await this.#partsOf(policy, caller)) {
        const others = bySubject.get(part.subject) ?? new Map<number, CallPart>();
        bySubject.set(part.subject, others);
        others.set(part.policy.id, part);
      }
    }
    return [...bySubject.values()].flatMap((parts) => [...parts.values()]);
  }

  /**
   * Decides the parts at once.
   *
   * @throws RateLimitRefusalError for a cost that could never be had
   */
  async decide(parts: readonly CallPart[], caller: Caller): Promise<Admitted | undefined> {
    if (parts.length === 0) return undefined;
    try {
      return { parts, call: await this.ports.gate.admit(parts) };
    } catch (error) {
      if (!isMistake(error)) throw error;
      const costly = error instanceof RateLimitCostError ? error.policy : undefined;
      const shadow = parts.some(({ policy }) => policy.name === costly && policy.shadow);
      this.#refuse(error, { name: costly ?? '', shadow }, caller);
      return this.decide(
        parts.filter(({ policy }) => policy.name !== costly),
        caller,
      );
    }
  }

  async #partsOf({ policy, cost }: RoutePolicy, caller: Caller): Promise<readonly CallPart[]> {
    try {
      if (waitsForUser(policy, caller)) throw nobodyIsLoggedIn(policy.name, caller.endpoint);
      const parts = await subjectsOf(policy, caller, this.ports.networksOf, (limit, times) =>
        this.#variants.of(policy, limit, times),
      );
      if (cost === undefined || parts.length === 0) return parts;
      const taken = typeof cost === 'function' ? await cost(caller) : cost;
      const checked = checkedCost(taken, policy.name);
      return parts.map((part) => ({ ...part, cost: checked }));
    } catch (error) {
      this.#refuse(error, policy, caller);
      return [];
    }
  }

  /** Does nothing where the policy is in the shadow, which refuses nothing. */
  #refuse(error: unknown, { name, shadow }: Pick<ResolvedPolicy, 'name' | 'shadow'>, { endpoint }: Caller): void {
    const mistake = isMistake(error) ? error : new RateLimitFunctionError(name, endpoint, error);
    // Where a function of an enforced policy throws, filters tell and log it as they do other errors.
    if (shadow || isMistake(mistake)) this.#warnOnce(`${endpoint} ${name} ${mistake.code}`, mistake);
    if (shadow) return;
    if (isMistake(mistake)) throw new RateLimitRefusalError(mistake instanceof NoUserError ? 401 : 400, mistake);
    throw error instanceof HttpException ? error : mistake;
  }

  #warnOnce(topic: string, error: Error): void {
    if (this.#warned.has(topic)) return;
    this.#warned.add(topic);
    this.#logger.warn(
      `${error.message} This is said once; calls of that kind are refused, or not counted in the shadow.`,
    );
  }
}

/** Whether the call asks for what cannot be. */
function isMistake(error: unknown): error is RateLimitCallError | RateLimitCostError {
  return error instanceof RateLimitCallError || error instanceof RateLimitCostError;
}

/** Nobody was logged in when a handler was about to run. */
class NoUserError extends RateLimitCallError {}

function nobodyIsLoggedIn(policy: string, endpoint: string): NoUserError {
  return new NoUserError(
    `The policy "${policy}" limits users, and nobody was logged in when ${endpoint}() was to run, after all guards. ` +
      'Put the guard that logs in on it, or give the policy a function that says who is limited: by: (caller) => ...',
  );
}

/** @throws RateLimitCallError */
function checkedCost(cost: unknown, name: string): number {
  if (!Number.isSafeInteger(cost) || (cost as number) < 1) {
    const shown = typeof cost === 'number' ? String(cost) : `of type ${typeof cost}`;
    throw new RateLimitCallError(`The cost of a call under "${name}" is ${shown}. Give a whole number of 1 or more.`);
  }
  return cost as number;
}
