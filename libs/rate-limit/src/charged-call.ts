import type { Decision, RateLimitDriver, Settlement } from './drivers/rate-limit-driver.js';
import type { HeldPlace, Places } from './places.js';
import type { LimitRequest } from './request.js';
import type { ResolvedPolicy } from './policies/resolve-policy.js';

/** A call that was charged, by whom, and with what. It can be corrected once. */
export class ChargedCall {
  readonly #places: readonly HeldPlace[];
  #settling: Promise<void> | undefined;

  /**
   * @param request as it was decided
   * @param operation that charged it
   * @param freed told of the states that get something back that others may have been denied by
   */
  constructor(
    private readonly driver: RateLimitDriver,
    private readonly request: LimitRequest,
    private readonly decision: Decision,
    private readonly operation: number,
    private readonly places: Places,
    private readonly freed: (keys: readonly string[]) => void,
  ) {
    this.#places = places.hold(driver, request, operation);
  }

  /**
   * Frees the places, and gives back what `backOf` says of each policy; below 0 it takes more. What was corrected before stays.
   *
   * @throws RedisUnreachableError, RedisTimeoutError
   */
  async settle(backOf: (policy: ResolvedPolicy, cost: number) => number): Promise<void> {
    this.#settling ??= this.#settle(backOf);
    try {
      await this.#settling;
    } catch (error) {
      // What has not happened may be tried again.
      if ((error as { outcome?: unknown }).outcome === 'not-executed') this.#settling = undefined;
      throw error;
    }
  }

  async #settle(backOf: (policy: ResolvedPolicy, cost: number) => number): Promise<void> {
    for (const place of this.#places) this.places.free(place);
    const settlements = this.#settlements(backOf);
    if (settlements.length === 0) return;
    await this.driver.settle(settlements);
    // The denials of other policies are not remembered.
    const freed = settlements.filter(({ back, rule }) => back > 0 && this.#isRemembered(rule.id));
    if (freed.length > 0) this.freed([...new Set(freed.map(({ key }) => key))]);
  }

  #isRemembered(id: number): boolean {
    const policy = this.request.policies.find((one) => one.id === id);
    return policy?.when === 'always' && policy.shape.kind !== 'concurrency';
  }

  #settlements(backOf: (policy: ResolvedPolicy, cost: number) => number): Settlement[] {
    const { nowUs, chargeTimesUs, verdicts } = this.decision;
    let at = 0;
    return this.request.charges.flatMap(({ key, rules }, charge) =>
      rules.flatMap((rule): Settlement[] => {
        const policy = this.request.policies[at]!;
        const { ok, resetUs } = verdicts[at]!;
        at += 1;
        const back = rule.kind === 'concurrency' ? 1 : backOf(policy, rule.cost);
        const chargedAtUs = chargeTimesUs?.[charge] ?? nowUs;
        return ok && back !== 0 ? [{ key, rule, back, operation: this.operation, chargedAtUs, resetUs }] : [];
      }),
    );
  }
}
