import type { Duration } from '@nuthatch/redis';
import { RateLimitCallError, RateLimitOptionsError } from '../rate-limit.errors.js';
import type { PolicyBook } from './policy-book.js';
import type { OutageMode } from './policy.js';
import { PolicySet } from './policy-set.js';
import { CHECK_POLICY, resolvePolicy, type ResolvedPolicy } from './resolve-policy.js';
import { LimitVariants } from './with-limit.js';

const MOST_KEPT = 1_000;

/** The sets of policies that calls name, each made once. */
export class PolicySets {
  readonly #kept = new Map<string, PolicySet>();
  readonly #variants = new LimitVariants();

  constructor(
    private readonly book: PolicyBook,
    private readonly onOutage: OutageMode,
  ) {}

  /**
   * @param limit for all of them, instead of their own
   * @throws RateLimitCallError for an unknown name, or a limit that a policy could not have
   */
  named(names: string | readonly string[], limit?: number): PolicySet {
    if (typeof names !== 'string' && !Array.isArray(names)) {
      throw new RateLimitCallError(
        `The policies of a call are of type ${typeof names}. Give a name or a list of names.`,
      );
    }
    let text = typeof names === 'string' ? names : names.join('\n');
    if (limit !== undefined) text = `${text}\n=${limit}`;
    return this.#kept.get(text) ?? this.#make(text, () => this.#resolve(names, limit));
  }

  /** That of other policies of the same names, whose limits are others. */
  of(policies: readonly ResolvedPolicy[]): PolicySet {
    const text = policies.map(({ name, limit }) => `${name}\n=${limit}\n`).join('');
    return this.#kept.get(text) ?? this.#make(text, () => policies);
  }

  /** @throws RateLimitOptionsError for a wrong limit or length of time */
  check(limit: number, per: Duration): PolicySet {
    const text = `\n${limit}/${per}`;
    return (
      this.#kept.get(text) ??
      this.#make(text, () => {
        const mistakes: string[] = [];
        const policy = resolvePolicy(CHECK_POLICY, { kind: 'gcra', limit, per }, 'check', this.onOutage, mistakes);
        if (!policy) throw new RateLimitOptionsError(mistakes);
        return [policy];
      })
    );
  }

  #resolve(names: string | readonly string[], limit: number | undefined): readonly ResolvedPolicy[] {
    const list = typeof names === 'string' ? [names] : [...new Set(names)];
    if (list.length === 0) throw new RateLimitCallError('No policy is named. Name at least one of the options.');
    const policies = list.map((name) => this.book.named(name));
    return limit === undefined ? policies : policies.map((policy) => this.#variants.of(policy, limit));
  }

  #make(text: string, policies: () => readonly ResolvedPolicy[]): PolicySet {
    const set = new PolicySet(policies());
    if (this.#kept.size >= MOST_KEPT) this.#kept.clear();
    this.#kept.set(text, set);
    return set;
  }
}
