import type { CallPart } from './call.js';
import type { DenyCache } from './deny-cache/deny-cache.js';
import type { DeniedSubjects } from './deny-cache/denied-subjects.js';
import type { Charge, Rule } from './drivers/rate-limit-driver.js';
import { costingRule, PolicySet } from './policies/policy-set.js';
import type { ResolvedPolicy } from './policies/resolve-policy.js';

/** What is decided at once. */
export interface LimitRequest {
  readonly charges: readonly Charge[];
  /** For each rule of the charges, in their order. */
  readonly policies: readonly ResolvedPolicy[];
  /** For each charge, whom it is about. */
  readonly subjects: readonly string[];
  /** Where denials of calls like it are remembered, and under which name. */
  readonly denied?: { readonly by: DeniedSubjects; readonly name: string; readonly cost: number | undefined };
}

const SETS_KEPT = 1_000;

/** Puts the parts of a call together by their subjects. A policy that comes twice for one subject counts once. */
export class LimitRequests {
  /** Of one policy alone, which most parts are. */
  readonly #alone = new WeakMap<ResolvedPolicy, PolicySet>();
  readonly #denied = new Map<string, DeniedSubjects>();

  constructor(
    private readonly keyOf: (subject: string) => string,
    private readonly denyCache: DenyCache | undefined,
  ) {}

  /** @throws RateLimitCallError, RateLimitCostError */
  of(parts: readonly CallPart[]): LimitRequest {
    const bySubject = new Map<string, CallPart[]>();
    for (const part of parts) {
      const others = bySubject.get(part.subject);
      if (!others) bySubject.set(part.subject, [part]);
      else if (!others.some(({ policy }) => policy.id === part.policy.id)) others.push(part);
    }
    const charges: Charge[] = [];
    const policies: ResolvedPolicy[] = [];
    const subjects: string[] = [];
    for (const [subject, those] of bySubject) {
      charges.push({ key: this.keyOf(subject), rules: those.length === 1 ? this.#one(those[0]!) : those.map(ruleOf) });
      for (const { policy } of those) policies.push(policy);
      subjects.push(subject);
    }
    const denied = this.#deniedBy(parts, policies, charges, JSON.stringify(subjects));
    return { charges, policies, subjects, ...(denied && { denied }) };
  }

  #one({ policy, cost }: CallPart): readonly Rule[] {
    let set = this.#alone.get(policy);
    if (!set) this.#alone.set(policy, (set = new PolicySet([policy])));
    return set.rules(cost);
  }

  /** What differs in the limits is not told of each other. */
  #deniedBy(
    parts: readonly CallPart[],
    policies: readonly ResolvedPolicy[],
    charges: readonly Charge[],
    name: string,
  ): LimitRequest['denied'] {
    const [first] = parts;
    if (!this.denyCache || !first || parts.some(({ cost }) => cost !== first.cost)) return undefined;
    const shape = charges.map(({ rules }) => rules.length).join();
    const text = `${shape} ${policies.map(({ id, limit }) => `${id}:${limit}`).join()}`;
    let by = this.#denied.get(text);
    if (!by) {
      if (this.#denied.size >= SETS_KEPT) this.#denied.clear();
      this.#denied.set(text, (by = this.denyCache.forSet(policies)));
    }
    return { by, name, cost: first.cost };
  }
}

function ruleOf({ policy, cost }: CallPart): Rule {
  return costingRule(policy, cost ?? policy.cost);
}
