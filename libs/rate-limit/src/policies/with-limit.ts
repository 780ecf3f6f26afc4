import { RateLimitCallError } from '../rate-limit.errors.js';
import { limitName, resolvePolicy, type ResolvedPolicy } from './resolve-policy.js';
import type { Policy } from './policy.js';

const MOST_KEPT = 1_000;

/** The same policies with other limits, each made once. */
export class LimitVariants {
  readonly #known = new WeakMap<ResolvedPolicy, Map<string, ResolvedPolicy>>();

  /**
   * @param times how many times the burst it has, too
   * @throws RateLimitCallError for a limit that the policy could not have
   */
  of(policy: ResolvedPolicy, limit: number, times = 1): ResolvedPolicy {
    if (limit === policy.limit && !policy.limitFor && times === 1) return policy;
    const name = `${limit} ${times}`;
    let variants = this.#known.get(policy);
    if (!variants) this.#known.set(policy, (variants = new Map()));
    let variant = variants.get(name);
    if (!variant) {
      if (variants.size >= MOST_KEPT) variants.clear();
      variants.set(name, (variant = withLimit(policy, limit, times)));
    }
    return variant;
  }
}

/**
 * A burst that was given says how much at once, whatever the limit is.
 *
 * @param times how many times the burst it has
 * @throws RateLimitCallError for a limit that the policy could not have
 */
export function withLimit(policy: ResolvedPolicy, limit: number, times = 1): ResolvedPolicy {
  const { name, source, onOutage, id } = policy;
  const mistakes: string[] = [];
  const burst = source.kind === 'gcra' && source.burst !== undefined ? { burst: source.burst * times } : {};
  const changed = { ...source, ...burst, [limitName(source)]: limit } as Policy;
  const variant = resolvePolicy(name, changed, `The policy "${name}" for this caller`, onOutage, mistakes);
  if (!variant) throw new RateLimitCallError(mistakes.join(' '));
  return { ...variant, id };
}
