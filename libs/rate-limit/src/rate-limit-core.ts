import { randomInt } from 'node:crypto';
import type { BeforeApplicationShutdown, OnModuleInit } from '@nestjs/common';
import { RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';
import type { PolicyState, RateLimitDecision } from './decision.js';
import { MemoryRateLimitDriver } from './drivers/memory.driver.js';
import type { Decision, RateLimitDriver, Rule, Verdict } from './drivers/rate-limit-driver.js';
import type { Instances } from './instances.js';
import { shareOf } from './local-share.js';
import type { ResolvedPolicy } from './policies/resolve-policy.js';
import type { ResolvedRateLimitOptions } from './rate-limit.options.js';

const OPERATIONS = 2 ** 32;
// When nothing is known of when Redis will be back.
const CLOSED_RETRY_US = 1_000_000;
// A Redis that answers now and then must not give everybody a fresh share each time.
const ONE_OUTAGE_MS = 10_000;
const US_PER_MS = 1_000;

/** Decides by Redis, and while it cannot be asked by what each policy wants then. */
export class RateLimitCore implements OnModuleInit, BeforeApplicationShutdown {
  /** What this process decides by itself. Begins anew with each outage, and an outage that comes and goes is one. */
  #local = new MemoryRateLimitDriver();
  #lastAwayAt = Number.NEGATIVE_INFINITY;
  #operation = randomInt(OPERATIONS);

  /**
   * @param root begins every key
   * @param instances undefined where the limits are those of this process only
   */
  constructor(
    readonly driver: RateLimitDriver,
    readonly options: ResolvedRateLimitOptions,
    readonly root: string,
    private readonly instances: Instances | undefined,
  ) {}

  onModuleInit(): void {
    this.instances?.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.instances?.stop();
  }

  async decide(
    key: string,
    policies: readonly ResolvedPolicy[],
    rules: readonly Rule[],
    how: 'consume' | 'peek',
  ): Promise<RateLimitDecision> {
    try {
      const charges = [{ key, rules }];
      const deciding = how === 'peek' ? this.driver.peek(charges) : this.driver.decide(charges, this.#nextOperation());
      const decision = await deciding;
      return toDecision(decision, policies, true);
    } catch (error) {
      if (!isOutage(error)) throw error;
      return this.#decideAlone(key, policies, rules, how);
    }
  }

  async reset(key: string, policies: readonly ResolvedPolicy[]): Promise<void> {
    const ids = policies.map(({ id }) => id);
    if (this.#isAway()) await this.#local.reset(key, ids);
    await this.driver.reset(key, ids);
  }

  async block(key: string, { id }: ResolvedPolicy, ms: number): Promise<void> {
    if (this.#isAway()) await this.#local.block(key, id, ms * US_PER_MS);
    await this.driver.block(key, id, ms * US_PER_MS);
  }

  async #decideAlone(
    key: string,
    policies: readonly ResolvedPolicy[],
    rules: readonly Rule[],
    how: 'consume' | 'peek',
  ): Promise<RateLimitDecision> {
    if (!this.#isAway()) this.#local = new MemoryRateLimitDriver();
    this.#lastAwayAt = performance.now();
    const processes = this.instances?.count ?? 1;
    const isLocal = (index: number): boolean => policies[index]!.onOutage === 'local';
    const charges = [
      { key, rules: rules.filter((_, index) => isLocal(index)).map((rule) => shareOf(rule, processes)) },
    ];
    const closed = policies.some(({ onOutage, shadow }) => onOutage === 'closed' && !shadow);
    // What is denied all the same is charged to nobody here either.
    const local = await (how === 'peek' || closed ? this.#local.peek(charges) : this.#local.decide(charges));
    const verdicts = [...local.verdicts];
    const all = policies.map((policy, index) => (isLocal(index) ? verdicts.shift()! : verdictWithout(policy)));
    return toDecision({ allowed: local.allowed && !closed, nowUs: local.nowUs, verdicts: all }, policies, false);
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
