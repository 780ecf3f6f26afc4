import { randomInt } from 'node:crypto';
import type { BeforeApplicationShutdown, OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import type { CallPart, OpenCall } from './call.js';
import { ChargedCall } from './charged-call.js';
import type { RateLimitDecision } from './decision.js';
import { OPERATIONS, type RateLimitDriver } from './drivers/rate-limit-driver.js';
import type { Instances } from './instances.js';
import { networksOf, timesOf } from './ip/ip-networks.js';
import { isOutage } from './is-outage.js';
import type { LimitExtras } from './limit-extras.js';
import { LocalLimits, type Decided } from './local-limits.js';
import { forgetAll } from './news/forget-all.js';
import type { LimitOverrides } from './overrides/limit-overrides.js';
import { Places } from './places.js';
import type { PolicySet } from './policies/policy-set.js';
import { CHECK_POLICY, type ResolvedPolicy } from './policies/resolve-policy.js';
import { LimitVariants } from './policies/with-limit.js';
import { RateLimitCallError } from './rate-limit.errors.js';
import type { ResolvedRateLimitOptions } from './rate-limit.options.js';
import { LimitRequests, type LimitRequest } from './request.js';
import { subjectKey } from './subject-key.js';
import { toDecision } from './to-decision.js';
import type { TopConsumers } from './top/top-consumers.js';

const US_PER_MS = 1_000;

/** Decides by Redis, and while it cannot be asked by what each policy wants then. */
export class RateLimitCore implements OnModuleInit, BeforeApplicationShutdown, OnApplicationShutdown {
  readonly #local: LocalLimits;
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
    this.#local = new LocalLimits(() => instances?.count ?? 1);
    this.#requests = new LimitRequests((subject) => this.keyOf(subject), extras.denyCache);
  }

  async onModuleInit(): Promise<void> {
    this.instances?.start();
    this.extras.top?.start();
    await this.extras.overrides.start();
  }

  /** What has to be told to Redis, while it can be. */
  async beforeApplicationShutdown(): Promise<void> {
    const { top, close } = this.extras;
    await Promise.all([close(), top?.stop(), this.instances?.stop()]);
  }

  /** Not before: until then calls are under way, whose places have to be renewed. */
  onApplicationShutdown(): void {
    const { overrides, denyCache, news } = this.extras;
    this.#places.close();
    overrides.stop();
    denyCache?.close();
    news.close();
  }

  /** @throws RateLimitCallError unless the subject is a string that is not empty */
  keyOf(subject: string): string {
    return subjectKey(this.root, subject, this.options.ip);
  }

  /** What policies by address limit of one, the narrowest network first. */
  subjectsOf(address: string): readonly string[] {
    return networksOf(address, this.options.ip).map(({ subject }) => subject);
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
    // What is no subject is refused where its key is made.
    if (typeof subject !== 'string') return policies;
    const times = timesOf(subject, this.options.ip);
    let changed = times !== 1;
    for (const { name } of policies) changed ||= this.extras.overrides.limitFor(name, subject) !== undefined;
    if (!changed) return policies;
    return policies.map((policy) => {
      const limit = Math.min(policy.limit * times, policy.mostLimit);
      // A limit that depends on the caller is not known here.
      const own = policy.limitFor || times === 1 ? policy : this.#variants.of(policy, limit, times);
      return this.#inForce(own, subject, times);
    });
  }

  /** @param times how many times the limit of others this subject has, which is in the policy already */
  #inForce(policy: ResolvedPolicy, subject: string, times = 1): ResolvedPolicy {
    const limit = this.extras.overrides.limitFor(policy.name, subject, times);
    return limit === undefined ? policy : this.#variants.of(policy, Math.min(limit, policy.mostLimit));
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
      decision = (await this.#local.decide(request, operation)).decision;
    }
    this.#note(request, decision, askedAtMs);
    return decision;
  }

  /** What a call is told without asking Redis, because its subject is denied for a while; undefined: Redis has to be asked. */
  remembered(set: PolicySet, subject: string, cost: number | undefined): RateLimitDecision | undefined {
    const { denyCache, top } = this.extras;
    if (!denyCache) return undefined;
    const decision = (set.denied ??= denyCache.forSet(set.policies)).look(subject, cost);
    if (decision && top) for (const name of decision.violated) this.#countOne(top, name, subject, 0, false);
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
    if (parts.length === 0) throw new RateLimitCallError('A call has no policies. Name at least one.');
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
      return (await this.#local.decide(request, undefined)).decision;
    }
  }

  async reset(key: string, policies: readonly ResolvedPolicy[]): Promise<void> {
    const ids = policies.map(({ id }) => id);
    await this.#local.current?.reset(key, ids);
    await this.driver.reset(key, ids);
    await this.extras.news.publish({ kind: 'forget', key, ids });
  }

  async block(key: string, { id }: ResolvedPolicy, ms: number): Promise<void> {
    await this.#local.current?.block(key, id, ms * US_PER_MS);
    await this.driver.block(key, id, ms * US_PER_MS);
    // Also of a block: others may hold units that were taken ahead.
    await this.extras.news.publish({ kind: 'forget', key, ids: [id] });
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
  #count({ policies, subjects, charges }: LimitRequest, { allowed, policies: states }: RateLimitDecision): void {
    const { top } = this.extras;
    if (!top) return;
    let at = 0;
    for (const [charge, { rules }] of charges.entries()) {
      for (const { cost } of rules) {
        const { name } = policies[at]!;
        const { denies } = states[at++]!;
        if (allowed || denies) this.#countOne(top, name, subjects[charge]!, cost, allowed);
      }
    }
  }

  /** What has no name cannot be asked for. */
  #countOne(top: TopConsumers, name: string, subject: string, cost: number, allowed: boolean): void {
    if (name !== CHECK_POLICY) top.note(name, subject, cost, allowed);
  }

  async #decide(request: LimitRequest, operation: number): Promise<Decided> {
    try {
      const raw = await this.driver.decide(request.charges, operation);
      return { driver: this.driver, request, raw, operation, decision: toDecision(raw, request.policies, true) };
    } catch (error) {
      if (!isOutage(error)) throw error;
      this.#freeUnknown(request, operation);
      return this.#local.decide(request, operation);
    }
  }

  /** Redis may still take the places of a call that no longer waits for it, after which it hears of this. */
  #freeUnknown({ charges }: LimitRequest, operation: number): void {
    const settlements = charges.flatMap(({ key, rules }) =>
      rules
        .filter(({ kind }) => kind === 'concurrency')
        .map((rule) => ({ key, rule, back: 1, operation, chargedAtUs: 0, resetUs: 0 })),
    );
    if (settlements.length > 0) this.driver.settle(settlements).catch(() => 'they are free when their lease ends');
  }

  #nextOperation(): number {
    this.#operation = (this.#operation % (OPERATIONS - 1)) + 1;
    return this.#operation;
  }
}

function countsNot(when: ResolvedPolicy['when'], outcome: 'success' | 'failure' | 'unknown'): boolean {
  return (when === 'failures' && outcome === 'success') || (when === 'successes' && outcome === 'failure');
}
