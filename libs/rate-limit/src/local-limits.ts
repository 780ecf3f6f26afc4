import type { RateLimitDecision } from './decision.js';
import { MemoryRateLimitDriver } from './drivers/memory.driver.js';
import type { Charge, Decision, RateLimitDriver, Verdict } from './drivers/rate-limit-driver.js';
import { shareOf } from './local-share.js';
import type { ResolvedPolicy } from './policies/resolve-policy.js';
import type { LimitRequest } from './request.js';
import { toDecision } from './to-decision.js';

// When nothing is known of when Redis will be back.
const CLOSED_RETRY_US = 1_000_000;
// A Redis that answers now and then must not give everybody a fresh share each time.
const ONE_OUTAGE_MS = 10_000;

/** How a request was decided, and by whom. */
export interface Decided {
  readonly driver: RateLimitDriver;
  /** As the driver was asked: in an outage for a share of the limits. */
  readonly request: LimitRequest;
  readonly raw: Decision;
  readonly operation: number;
  readonly decision: RateLimitDecision;
}

/** What this process decides by itself while Redis is away. Begins anew with each outage, and one that comes and goes is one. */
export class LocalLimits {
  #driver = new MemoryRateLimitDriver();
  #lastAwayAt = Number.NEGATIVE_INFINITY;

  /** @param processes how many share the limits */
  constructor(private readonly processes: () => number) {}

  /** Of an outage that goes on, or has ended so shortly ago that the next is the same. */
  get current(): RateLimitDriver | undefined {
    return performance.now() - this.#lastAwayAt <= ONE_OUTAGE_MS ? this.#driver : undefined;
  }

  /** @param operation undefined to charge nothing */
  async decide(request: LimitRequest, operation: number | undefined): Promise<Decided> {
    if (!this.current) this.#driver = new MemoryRateLimitDriver();
    this.#lastAwayAt = performance.now();
    const { policies } = request;
    const local = localPart(request, this.processes());
    const closed = policies.some(({ onOutage, shadow }) => onOutage === 'closed' && !shadow);
    const driver = this.#driver;
    // What is denied all the same is charged to nobody here either.
    const raw = await (operation === undefined || closed
      ? driver.peek(local.charges)
      : driver.decide(local.charges, operation));
    const verdicts = [...raw.verdicts];
    const all = policies.map((policy) => (policy.onOutage === 'local' ? verdicts.shift()! : verdictWithout(policy)));
    const decision = toDecision({ allowed: raw.allowed && !closed, nowUs: raw.nowUs, verdicts: all }, policies, false);
    return { driver, request: local, raw, operation: operation ?? 0, decision };
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

function verdictWithout({ onOutage, limit }: ResolvedPolicy): Verdict {
  return onOutage === 'closed'
    ? { ok: false, remaining: 0, retryUs: CLOSED_RETRY_US, resetUs: CLOSED_RETRY_US }
    : { ok: true, remaining: limit, retryUs: 0, resetUs: 0 };
}
