import type { PolicyRegistry } from '../guard/policy-registry.js';
import { RateLimitCallError } from '../rate-limit.errors.js';
import type { OutageMode, Policy } from './policy.js';
import { CHECK_POLICY, resolvePolicy, type ResolvedPolicy } from './resolve-policy.js';
import { ruleId } from './rule-id.js';

/** All policies of an application: those of the options, and those that stand in decorators. */
export class PolicyBook implements PolicyRegistry {
  readonly #byName = new Map<string, ResolvedPolicy>();
  /** Who has a rule id, as messages call it. */
  readonly #owners = new Map<number, string>([[ruleId('gcra', CHECK_POLICY), 'RateLimiter.check()']]);
  #defaults: readonly ResolvedPolicy[] = [];

  /** @param onOutage of policies that do not say it */
  constructor(private readonly onOutage: OutageMode) {}

  get defaults(): readonly ResolvedPolicy[] {
    return this.#defaults;
  }

  get byName(): ReadonlyMap<string, ResolvedPolicy> {
    return this.#byName;
  }

  get(name: string): ResolvedPolicy | undefined {
    return this.#byName.get(name);
  }

  /** @throws RateLimitCallError */
  named(name: string): ResolvedPolicy {
    const policy = this.#byName.get(name);
    if (policy) return policy;
    const known = [...this.#byName.keys()].join(', ');
    throw new RateLimitCallError(
      `There is no policy ${JSON.stringify(String(name).slice(0, 64))}. There are: ${known}.`,
    );
  }

  /** One of the options. @param mistakes where what is wrong is noted, to be told all at once */
  add(name: string, raw: Policy, path: string, mistakes: string[]): ResolvedPolicy | undefined {
    const policy = resolvePolicy(name, raw, path, this.onOutage, mistakes);
    if (!policy) return undefined;
    const other = this.#owners.get(policy.id);
    if (other === undefined) return this.#own(policy, path);
    mistakes.push(`${path} cannot be told from ${other} in Redis. Give one another name.`);
    return undefined;
  }

  /** Nobody has chosen its name, so another id is found where the usual one is taken. */
  inline(name: string, raw: Policy, path: string, mistakes: string[]): ResolvedPolicy | undefined {
    const policy = resolvePolicy(name, raw, path, this.onOutage, mistakes);
    if (!policy) return undefined;
    let { id } = policy;
    for (let attempt = 1; this.#owners.has(id); attempt++) id = ruleId(policy.source.kind, `${name}#${attempt}`);
    return this.#own({ ...policy, id }, path);
  }

  #own(policy: ResolvedPolicy, path: string): ResolvedPolicy {
    this.#owners.set(policy.id, path);
    this.#byName.set(policy.name, policy);
    return policy;
  }

  /** Says which apply to every call. */
  setDefaults(names: readonly string[], path: string, mistakes: string[]): void {
    const policies: ResolvedPolicy[] = [];
    for (const [index, name] of names.entries()) {
      const policy = this.#byName.get(name);
      if (policy) policies.push(policy);
      else mistakes.push(`${path}[${index}] is ${JSON.stringify(name)}. Give the name of one of the policies.`);
    }
    this.#defaults = [...new Set(policies)];
  }
}
