import { parseDuration } from '@nuthatch/redis/internal';
import type { Duration } from '@nuthatch/redis';
import type { RateLimitDecision } from './decision.js';
import { RateLimitCallError, RateLimitOptionsError } from './rate-limit.errors.js';
import type { RateLimitCore } from './rate-limit-core.js';
import { PolicySet } from './policies/policy-set.js';
import { CHECK_POLICY, resolvePolicy, type ResolvedPolicy } from './policies/resolve-policy.js';
import { subjectKey } from './subject-key.js';

export interface ConsumeOptions {
  /** How much the call takes, a whole number. @default the `cost` of each policy */
  cost?: number;
}

/** What {@link RateLimiter.check} says. */
export interface CheckResult {
  readonly allowed: boolean;
  readonly remaining: number;
  readonly resetAt: Date;
}

const SETS_KEPT = 1_000;
// A hundred years: longer ones do not fit into the state of a subject.
const LONGEST_BLOCK_MS = 3_153_600_000_000;

/** Decides whether calls may go ahead, and counts those that do. */
export class RateLimiter {
  /** Of `check`, by what they were called with. */
  readonly #checks = new Map<string, PolicySet>();
  /** Of the others, by the names of their policies. */
  readonly #sets = new Map<string, PolicySet>();

  /** @internal Made by RateLimitModule. */
  constructor(private readonly core: RateLimitCore) {}

  /**
   * Decides a call under all of these policies at once, and charges all of them, or, when one denies it, none.
   *
   * @throws RateLimitCallError for an unknown policy or no subject, RateLimitCostError for a cost that a policy could never
   *   give. Never because of a denial, nor because Redis is away: see `onOutage`.
   */
  async consume(
    policies: string | readonly string[],
    subject: string,
    options: ConsumeOptions = {},
  ): Promise<RateLimitDecision> {
    const set = this.#set(policies);
    return this.core.decide(this.#key(subject), set.policies, set.rules(options.cost), 'consume');
  }

  /** Whether a call would be allowed, and what there is; charges nothing. */
  async peek(
    policies: string | readonly string[],
    subject: string,
    options: ConsumeOptions = {},
  ): Promise<RateLimitDecision> {
    const set = this.#set(policies);
    return this.core.decide(this.#key(subject), set.policies, set.rules(options.cost), 'peek');
  }

  /**
   * Charges one call to a limit that has no name: `limiter.check('export:42', 10, '1h')`. By GCRA, with a burst of `limit`.
   *
   * @throws RateLimitOptionsError for a wrong limit or length of time
   */
  async check(key: string, limit: number, per: Duration): Promise<CheckResult> {
    const set = this.#checkSet(limit, per);
    const decision = await this.core.decide(this.#key(key), set.policies, set.rules(undefined), 'consume');
    const { allowed, remaining, resetAt } = decision;
    return { allowed, remaining, resetAt };
  }

  /** Forgets what was taken, and ends blocks. */
  async reset(policies: string | readonly string[], subject: string): Promise<void> {
    await this.core.reset(this.#key(subject), this.#set(policies).policies);
  }

  /** Denies everything under that policy for so long. @throws RangeError for what is no duration, or longer than 36500 days */
  async block(policy: string, subject: string, duration: Duration): Promise<void> {
    const ms = parseDuration(duration, 'duration');
    if (ms > LONGEST_BLOCK_MS) throw new RangeError(`duration is "${duration}". Give "36500d" at most.`);
    await this.core.block(this.#key(subject), this.#set(policy).policies[0]!, ms);
  }

  /** Ends a block. */
  async unblock(policy: string, subject: string): Promise<void> {
    await this.core.block(this.#key(subject), this.#set(policy).policies[0]!, 0);
  }

  #key(subject: string): string {
    return subjectKey(this.core.root, subject);
  }

  #set(names: string | readonly string[]): PolicySet {
    if (typeof names !== 'string' && !Array.isArray(names)) {
      throw new RateLimitCallError(`The policies of a call are of type ${typeof names}. Give a name or a list of names.`);
    }
    const text = typeof names === 'string' ? names : names.join('\n');
    const known = this.#sets.get(text);
    if (known) return known;
    const set = new PolicySet(this.#named(typeof names === 'string' ? [names] : [...new Set(names)]));
    keep(this.#sets, text, set);
    return set;
  }

  #named(names: readonly string[]): readonly ResolvedPolicy[] {
    const { policies } = this.core.options;
    if (names.length === 0) throw new RateLimitCallError('No policy is named. Name at least one of the options.');
    return names.map((name) => {
      const policy = policies.get(name);
      if (policy) return policy;
      const known = [...policies.keys()].join(', ');
      throw new RateLimitCallError(
        `There is no policy ${JSON.stringify(String(name).slice(0, 64))}. There are: ${known}.`,
      );
    });
  }

  #checkSet(limit: number, per: Duration): PolicySet {
    const text = `${limit}/${per}`;
    const known = this.#checks.get(text);
    if (known) return known;
    const mistakes: string[] = [];
    const { onOutage } = this.core.options;
    const policy = resolvePolicy(CHECK_POLICY, { kind: 'gcra', limit, per }, 'check', onOutage, mistakes);
    if (!policy) throw new RateLimitOptionsError(mistakes);
    const set = new PolicySet([policy]);
    keep(this.#checks, text, set);
    return set;
  }
}

function keep(sets: Map<string, PolicySet>, text: string, set: PolicySet): void {
  if (sets.size >= SETS_KEPT) sets.clear();
  sets.set(text, set);
}
