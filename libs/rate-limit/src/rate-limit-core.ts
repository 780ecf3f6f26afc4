import { randomInt } from 'node:crypto';
import type { BeforeApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';
import type { PolicyState, RateLimitDecision } from './decision.js';
import { MemoryRateLimitDriver } from './drivers/memory.driver.js';
import type { CallPart, OpenCall } from './call.js';
import { ChargedCall } from './charged-call.js';
import {
  OPERATIONS,
  type Charge,
  type Decision,
  type RateLimitDriver,
  type Verdict,
} from './drivers/rate-limit-driver.js';
import type { Instances } from './instances.js';
import { shareOf } from './local-share.js';
import type { LimitExtras } from './limit-extras.js';
import type { LimitOverrides } from './overrides/limit-overrides.js';
import { forgetAll } from './news/forget-all.js';
import { Places } from './places.js';
import type { PolicySet } from './policies/policy-set.js';
import type { ResolvedPolicy } from './policies/resolve-policy.js';
import { LimitVariants } from './policies/with-limit.js';
import { LimitRequests, type LimitRequest } from './request.js';
import { RateLimitCallError } from './rate-limit.errors.js';
import type { TopConsumers } from './top/top-consumers.js';
import { subjectKey } from './subject-key.js';
import type { ResolvedRateLimitOptions } from './rate-limit.options.js';

// When nothing is known of when Redis will be back.
const CLOSED_RETRY_US = 1_000_000;
// A Redis that answers now and then must not give everybody a fresh share each time.
const ONE_OUTAGE_MS = 10_000;
const US_PER_MS = 1_000;

/** How a request was decided, and by whom. */
interface Decided {
  readonly driver: RateLimitDriver;
  /** As the driver was asked: in an outage for a share of the limits. */
  readonly request: LimitRequest;
  readonly raw: Decision;
  readonly operation: number;
  readonly decision: RateLimitDecision;
}

/** Decides by Redis, and while it cannot be asked by what each policy wants then. */
export class RateLimitCore implements OnModuleInit, BeforeApplicationShutdown {
  /** What this process decides by itself. Begins anew with each outage, and an outage that comes and goes is one. */
  #local = new MemoryRateLimitDriver();
  #lastAwayAt = Number.NEGATIVE_INFINITY;
  #operation = randomInt(OPERATIONS);
  readonly #requests: LimitRequests;
  readonly #places = new Places();
  readonly #variants = new LimitVariants();

  /**
   * @param root begins every key
   * @param instances undefined where the limits are those of this process only
   */
  constructor(
    readonly driver: RateLimitDriver,
    readonly options: ResolvedRateLimitOptions,
    readonly root: string,
    private readonly instances: Instances | undefined,
    private readonly extras: LimitExtras,
  ) {
    this.#requests = new LimitRequests((subject) => this.keyOf(subject), extras.denyCache);
  }

  async onModuleInit(): Promise<void> {
    this.instances?.start();
    this.extras.top?.start();
    await this.extras.overrides.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    const { top, overrides, denyCache, news, close } = this.extras;
    this.#places.close();
    await Promise.all([close(), top?.stop(), this.instances?.stop()]);
    overrides.stop();
    denyCache?.close();
    news.close();
  }

  /** @throws RateLimitCallError unless the subject is a string that is not empty */
  keyOf(subject: string): string {
    return subjectKey(this.root, subject, this.options.ip);
  }

  get overrides(): LimitOverrides {
    return this.extras.overrides;
  }

  /** @throws RateLimitCallError where nobody counts them */
  get top(): TopConsumers {
    if (this.extras.top) return this.extras.top;
    throw new RateLimitCallError(
      'Nobody counts the top consumers: RateLimitModule has { top: false }. Leave that out.',
    );
  }

  /** The policies with the limits that are in force for a subject; the same list where these are their own. */
  inForceAll(policies: readonly ResolvedPolicy[], subject: string): readonly ResolvedPolicy[] {
    for (const { name } of policies) {
      if (this.extras.overrides.limitFor(name, subject) !== undefined)
        return policies.map((policy) => this.#inForce(policy, subject));
    }
    return policies;
  }

  /** @param times how many times the limit of others this subject has */
  #inForce(policy: ResolvedPolicy, subject: string, times = 1): ResolvedPolicy {
    const limit = this.extras.overrides.limitFor(policy.name, subject);
    return limit === undefined ? policy : this.#variants.of(policy, Math.min(limit * times, policy.mostLimit));
  }

  /** Decides a call, and charges it if it is allowed. */
  async consume(request: LimitRequest): Promise<RateLimitDecision> {
    const operation = this.#nextOperation();
    const askedAtMs = performance.now();
    let decision: RateLimitDecision;
    try {
      decision = toDecision(await this.driver.decide(request.charges, operation), request.policies, true);
    } catch (error) {
      if (!isOutage(error)) throw error;
      decision = (await this.#decideAlone(request, operation)).decision;
    }
    this.#note(request, decision, askedAtMs);
    return decision;
  }

  /** What a call is told without asking Redis, because its subject is denied for a while; undefined: Redis has to be asked. */
  remembered(set: PolicySet, subject: string, cost: number | undefined): RateLimitDecision | undefined {
    const { denyCache, top } = this.extras;
    if (!denyCache) return undefined;
    const decision = (set.denied ??= denyCache.forSet(set.policies)).look(subject, cost);
    if (decision && top) for (const name of decision.violated) top.note(name, subject, 0, false);
    return decision;
  }

  /** @throws RateLimitCallError, RateLimitCostError */
  requestOf(set: PolicySet, subject: string, cost: number | undefined): LimitRequest {
    const { policies, denied } = set;
    const charges = [{ key: this.keyOf(subject), rules: set.rules(cost) }];
    return { charges, policies, subjects: [subject], ...(denied && { denied: { by: denied, name: subject, cost } }) };
  }

  /** The same for a call whose end is told: by `finish`, or by whoever corrects what it was charged. */
  async open(request: LimitRequest): Promise<{ decision: RateLimitDecision; call: ChargedCall | undefined }> {
    const known = request.denied?.by.look(request.denied.name, request.denied.cost);
    if (known) {
      this.#count(request, known);
      return { decision: known, call: undefined };
    }
    const operation = this.#nextOperation();
    const askedAtMs = performance.now();
    const { decision, raw, driver, request: charged } = await this.#decide(request, operation);
    this.#note(request, decision, askedAtMs);
    if (!decision.allowed) return { decision, call: undefined };
    const freed = (keys: readonly string[]): void => forgetAll(this.extras.news, keys);
    const call = new ChargedCall(driver, charged, raw, operation, this.#places, freed);
    return { decision, call };
  }

  /**
   * Decides all parts of a call at once, whatever their subjects are.
   *
   * @throws RateLimitCallError, RateLimitCostError; never because of a denial, nor because Redis is away
   */
  async admit(parts: readonly CallPart[]): Promise<OpenCall> {
    const limited = parts.map((part) => ({ ...part, policy: this.#inForce(part.policy, part.subject, part.times) }));
    const { decision, call } = await this.open(this.#requests.of(limited));
    const settle = (backOf: (policy: ResolvedPolicy, cost: number) => number): void => {
      call?.settle(backOf).catch(() => 'it stays charged, and its places are free when their lease ends');
    };
    return {
      decision,
      finish: (outcome) => settle(({ when }, cost) => (countsNot(when, outcome) ? cost : 0)),
      cancel: () => settle((_, cost) => cost),
    };
  }

  async peek(request: LimitRequest): Promise<RateLimitDecision> {
    try {
      return toDecision(await this.driver.peek(request.charges), request.policies, true);
    } catch (error) {
      if (!isOutage(error)) throw error;
      return (await this.#decideAlone(request, undefined)).decision;
    }
  }

  async reset(key: string, policies: readonly ResolvedPolicy[]): Promise<void> {
    const ids = policies.map(({ id }) => id);
    if (this.#isAway()) await this.#local.reset(key, ids);
    await this.driver.reset(key, ids);
    await this.extras.news.publish({ kind: 'forget', key, ids });
  }

  async block(key: string, { id }: ResolvedPolicy, ms: number): Promise<void> {
    if (this.#isAway()) await this.#local.block(key, id, ms * US_PER_MS);
    await this.driver.block(key, id, ms * US_PER_MS);
    if (ms === 0) await this.extras.news.publish({ kind: 'forget', key, ids: [id] });
  }

  #note(request: LimitRequest, decision: RateLimitDecision, askedAtMs: number): void {
    const { denied, charges } = request;
    if (!decision.allowed && denied) {
      const keys = charges.map(({ key }) => key);
      denied.by.note(denied.name, keys, denied.cost, decision, askedAtMs);
    }
    this.#count(request, decision);
  }

  /** A denial counts for those who deny it. */
  #count({ policies, subjects, charges }: LimitRequest, { allowed, violated }: RateLimitDecision): void {
    const { top } = this.extras;
    if (!top) return;
    let at = 0;
    for (const [charge, { rules }] of charges.entries()) {
      for (const { cost } of rules) {
        const { name } = policies[at++]!;
        if (allowed || violated.includes(name)) top.note(name, subjects[charge]!, cost, allowed);
      }
    }
  }

  async #decide(request: LimitRequest, operation: number): Promise<Decided> {
    try {
      const raw = await this.driver.decide(request.charges, operation);
      return { driver: this.driver, request, raw, operation, decision: toDecision(raw, request.policies, true) };
    } catch (error) {
      if (!isOutage(error)) throw error;
      return this.#decideAlone(request, operation);
    }
  }

  /** @param operation undefined to charge nothing */
  async #decideAlone({ charges, policies, subjects }: LimitRequest, operation: number | undefined): Promise<Decided> {
    if (!this.#isAway()) this.#local = new MemoryRateLimitDriver();
    this.#lastAwayAt = performance.now();
    const local = localPart({ charges, policies, subjects }, this.instances?.count ?? 1);
    const closed = policies.some(({ onOutage, shadow }) => onOutage === 'closed' && !shadow);
    const driver = this.#local;
    // What is denied all the same is charged to nobody here either.
    const raw = await (operation === undefined || closed
      ? driver.peek(local.charges)
      : driver.decide(local.charges, operation));
    const verdicts = [...raw.verdicts];
    const all = policies.map((policy) => (policy.onOutage === 'local' ? verdicts.shift()! : verdictWithout(policy)));
    const allowed = raw.allowed && !closed;
    const decision = toDecision({ allowed, nowUs: raw.nowUs, verdicts: all }, policies, false);
    return { driver, request: local, raw, operation: operation ?? 0, decision };
  }

  /** Whether an outage goes on, or has ended so shortly ago that the next is the same. */
  #isAway(): boolean {
    return performance.now() - this.#lastAwayAt <= ONE_OUTAGE_MS;
  }

  #nextOperation(): number {
    this.#operation = (this.#operation % (OPERATIONS - 1)) + 1;
    return this.#operation;
  }
}

/** What this process decides by itself, of its share of the limits. */
function localPart({ charges, policies, subjects }: LimitRequest, processes: number): LimitRequest {
  let at = 0;
  const isLocal = (): boolean => policies[at++]!.onOutage === 'local';
  return {
    policies: policies.filter(({ onOutage }) => onOutage === 'local'),
    subjects,
    charges: charges.map(({ key, rules }): Charge => {
      const own = rules.filter(isLocal);
      return { key, rules: processes === 1 ? own : own.map((rule) => shareOf(rule, processes)) };
    }),
  };
}

function countsNot(when: ResolvedPolicy['when'], outcome: 'success' | 'failure'): boolean {
  return (when === 'failures' && outcome === 'success') || (when === 'successes' && outcome === 'failure');
}

function verdictWithout({ onOutage, limit }: ResolvedPolicy): Verdict {
  return onOutage === 'closed'
    ? { ok: false, remaining: 0, retryUs: CLOSED_RETRY_US, resetUs: CLOSED_RETRY_US }
    : { ok: true, remaining: limit, retryUs: 0, resetUs: 0 };
}

function toDecision(
  { allowed, nowUs, verdicts }: Decision,
  policies: readonly ResolvedPolicy[],
  shared: boolean,
): RateLimitDecision {
  const violated: string[] = [];
  const states: PolicyState[] = [];
  let remaining = Number.POSITIVE_INFINITY;
  let remainingInShadow = Number.POSITIVE_INFINITY;
  let retryUs = 0;
  let latestUs = 0;
  for (const [index, { name, limit, shadow }] of policies.entries()) {
    const verdict = verdicts[index]!;
    if (!verdict.ok) violated.push(name);
    if (shadow) remainingInShadow = Math.min(remainingInShadow, verdict.remaining);
    else {
      remaining = Math.min(remaining, verdict.remaining);
      if (!verdict.ok) retryUs = Math.max(retryUs, verdict.retryUs);
    }
    latestUs = Math.max(latestUs, verdict.resetUs);
    states.push({ name, limit, remaining: verdict.remaining, resetMs: Math.ceil(verdict.resetUs / US_PER_MS) });
  }
  return {
    allowed,
    remaining: Number.isFinite(remaining) ? remaining : remainingInShadow,
    retryAfterMs: Math.ceil(retryUs / US_PER_MS),
    resetAt: new Date(Math.ceil(nowUs / US_PER_MS) + Math.ceil(latestUs / US_PER_MS)),
    violated,
    policies: states,
    shared,
  };
}

// What a server says that does not serve anybody for now, or takes no writes.
const NOT_SERVING = /^(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|READONLY|MISCONF|NOREPLICAS|OOM)\b/;

function isOutage(error: unknown): boolean {
  if (error instanceof RedisUnreachableError || error instanceof RedisTimeoutError) return true;
  return error instanceof Error && error.name === 'ReplyError' && NOT_SERVING.test(error.message);
}
