import { parseDuration } from '@nuthatch/redis/internal';
import type { Duration } from '@nuthatch/redis';
import type { RateLimitDecision } from './decision.js';
import type { LimitOverride } from './overrides/override-entry.js';
import type { OverrideOptions } from './overrides/limit-overrides.js';
import type { PolicySet } from './policies/policy-set.js';
import { PolicySets } from './policies/policy-sets.js';
import { RateLimitCallError } from './rate-limit.errors.js';
import type { RateLimitCore } from './rate-limit-core.js';
import { Reservation } from './reservation.js';
import type { TopConsumer } from './top/top-consumers.js';

export interface ConsumeOptions {
  /** How much the call takes, a whole number. @default the `cost` of each policy */
  cost?: number;
  /** The limit for this caller, such as one that the policies leave to a function. @default that of each policy */
  limit?: number;
}

/** What {@link RateLimiter.check} says. */
export interface CheckResult {
  readonly allowed: boolean;
  readonly remaining: number;
  readonly resetAt: Date;
}

// A hundred years: longer ones do not fit into the state of a subject.
const LONGEST_BLOCK_MS = 3_153_600_000_000;

/**
 * Decides whether calls may go ahead, and counts those that do.
 *
 * Subjects are texts: what the caller names here, and what guards make of `by`: `user:42`, `ip:192.0.2.1`,
 * `ip:2001:db8:1:2::/64`, `endpoint:...`, `header:x-api-key:...`.
 */
export class RateLimiter {
  readonly #sets: PolicySets;

  /** @internal Made by RateLimitModule. */
  constructor(private readonly core: RateLimitCore) {
    this.#sets = new PolicySets(core.options.policies, core.options.onOutage);
  }

  /**
   * Decides a call under all of these policies at once, and charges all of them, or, when one denies it, none.
   *
   * @throws RateLimitCallError for an unknown policy, no subject, a `concurrency` policy, whose calls have an end (see `reserve`),
   *   or a limit that depends on the caller; RateLimitCostError for a cost that a policy could never give. Never because of a
   *   denial, nor because Redis is away: see `onOutage`.
   */
  async consume(
    policies: string | readonly string[],
    subject: string,
    { cost, limit }: ConsumeOptions = {},
  ): Promise<RateLimitDecision> {
    const set = this.#setFor(policies, subject, limit);
    if (set.places !== undefined) {
      throw new RateLimitCallError(`The policy "${set.places}" counts calls under way. Use reserve() for it.`);
    }
    return this.core.remembered(set, subject, cost) ?? this.core.consume(this.core.requestOf(set, subject, cost));
  }

  /**
   * The same for work whose end is to be told: `commit` when it was done, with what it has cost in truth, or `cancel`, which
   * gives all back. Places under `concurrency` policies are kept until then.
   *
   * @throws RateLimitCallError, RateLimitCostError as `consume`
   */
  async reserve(
    policies: string | readonly string[],
    subject: string,
    { cost, limit }: ConsumeOptions = {},
  ): Promise<Reservation> {
    const set = this.#setFor(policies, subject, limit);
    const known = this.core.remembered(set, subject, cost);
    if (known) return new Reservation(known, undefined);
    const { decision, call } = await this.core.open(this.core.requestOf(set, subject, cost));
    return new Reservation(decision, call);
  }

  /** Whether a call would be allowed, and what there is; charges nothing. @throws RateLimitCallError, RateLimitCostError */
  async peek(
    policies: string | readonly string[],
    subject: string,
    { cost, limit }: ConsumeOptions = {},
  ): Promise<RateLimitDecision> {
    return this.core.peek(this.core.requestOf(this.#setFor(policies, subject, limit), subject, cost));
  }

  /**
   * Charges one call to a limit that has no name: `limiter.check('export:42', 10, '1h')`. By GCRA, with a burst of `limit`.
   *
   * @throws RateLimitOptionsError for a wrong limit or length of time
   */
  async check(key: string, limit: number, per: Duration): Promise<CheckResult> {
    const set = this.#sets.check(limit, per);
    const decision =
      this.core.remembered(set, key, undefined) ?? (await this.core.consume(this.core.requestOf(set, key, undefined)));
    const { allowed, remaining, resetAt } = decision;
    return { allowed, remaining, resetAt };
  }

  /** The subjects of an address, the narrowest first: what policies `by: 'ip'` limit of it. */
  subjectsOf(address: string): readonly string[] {
    return this.core.subjectsOf(address);
  }

  /**
   * Forgets what was taken, and ends blocks, in all processes at once. What is given back later of a call from before is given
   * back all the same: cancel open reservations first.
   */
  async reset(policies: string | readonly string[], subject: string): Promise<void> {
    await this.core.reset(this.core.keyOf(subject), this.#sets.named(policies).policies);
  }

  /** Denies everything under that policy for so long. @throws RangeError for what is no duration, or longer than 36500 days */
  async block(policy: string, subject: string, duration: Duration): Promise<void> {
    const ms = parseDuration(duration, 'duration');
    if (ms > LONGEST_BLOCK_MS) throw new RangeError(`duration is "${duration}". Give "36500d" at most.`);
    await this.core.block(this.core.keyOf(subject), this.core.options.policies.named(policy), ms);
  }

  /** Ends a block, in all processes at once. */
  async unblock(policy: string, subject: string): Promise<void> {
    await this.core.block(this.core.keyOf(subject), this.core.options.policies.named(policy), 0);
  }

  /**
   * Gives a policy another limit in all processes at once, for everybody or for one subject, until it is taken away by `null`.
   * What was taken stays taken: there is no free burst. Subjects that a raised limit frees are freed at once.
   *
   * @throws RateLimitCallError for a limit that the policy could not have; LimitOverridesFullError; RedisUnreachableError,
   *   RedisTimeoutError
   */
  async override(
    policy: string,
    change: { readonly limit: number } | null,
    options: OverrideOptions = {},
  ): Promise<void> {
    const { overrides } = this.core;
    if (change === null) await overrides.clear(policy, options);
    else await overrides.set(policy, change.limit, options);
  }

  /** Those that are in force in this process. */
  overrides(): readonly LimitOverride[] {
    return this.core.overrides.list();
  }

  /**
   * Who has used a policy most in the last ten to twenty minutes, in all processes.
   *
   * @param count 1 to 1,000
   * @throws RateLimitCallError where the module has `top: false`; RedisUnreachableError, RedisTimeoutError
   */
  async top(policy: string, count: number): Promise<readonly TopConsumer[]> {
    this.core.options.policies.named(policy);
    return this.core.top.top(policy, count);
  }

  /** The policies, with the limits that are in force for the subject. */
  #setFor(names: string | readonly string[], subject: string, limit: number | undefined): PolicySet {
    let set = this.#sets.named(names, limit);
    if (limit === undefined) {
      const inForce = this.core.inForceAll(set.policies, subject);
      if (inForce !== set.policies) set = this.#sets.of(inForce);
    }
    if (set.unsettled === undefined) return set;
    throw new RateLimitCallError(`The limit of "${set.unsettled}" depends on the caller. Give it as { limit }.`);
  }
}
