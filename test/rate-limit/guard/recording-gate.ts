import type { CallPart, OpenCall } from '../../../libs/rate-limit/src/call.js';
import { RateLimitCostError } from '../../../libs/rate-limit/src/rate-limit.errors.js';
import type { RateLimitGate } from '../../../libs/rate-limit/src/guard/guard.tokens.js';

/** Counts calls for ever, and keeps what it is asked and told. */
export class RecordingGate implements RateLimitGate {
  /** The parts of each call, as `policy@subject`. */
  readonly asked: string[][] = [];
  /** How the calls that were allowed went, in the order in which that was told. */
  readonly finished: string[] = [];
  /** What calls with a cost of their own had. */
  readonly costs: (number | undefined)[] = [];
  /** The limits that the parts came with. */
  readonly limits: number[][] = [];
  readonly #taken = new Map<string, number>();
  /** Before each decision; stands for a slow Redis. */
  beforeDecision: () => Promise<void> = () => Promise.resolve();

  async admit(parts: readonly CallPart[]): Promise<OpenCall> {
    const names = parts.map(({ policy, subject }) => `${policy.name}@${subject}`);
    for (const { policy, cost } of parts)
      if (cost && cost > policy.capacity) throw new RateLimitCostError(policy.name, cost, policy.capacity);
    this.asked.push(names);
    this.costs.push(...parts.map(({ cost }) => cost));
    this.limits.push(parts.map(({ policy }) => policy.limit));
    await this.beforeDecision();
    const left = parts.map(
      ({ policy, cost }, index) => policy.limit - (this.#taken.get(names[index]!) ?? 0) - (cost ?? policy.cost),
    );
    const violated = parts.filter((_, index) => left[index]! < 0).map(({ policy }) => policy.name);
    const allowed = !parts.some(({ policy }, index) => left[index]! < 0 && !policy.shadow);
    if (allowed)
      for (const [index, name] of names.entries()) this.#taken.set(name, parts[index]!.policy.limit - left[index]!);
    const states = parts.map(({ policy }, index) => ({
      name: policy.name,
      limit: policy.limit,
      remaining: Math.max(0, left[index]! + (allowed ? 0 : 1)),
      resetMs: 60_000,
      denies: left[index]! < 0,
    }));
    return {
      decision: {
        allowed,
        remaining: Math.min(...states.map(({ remaining }) => remaining)),
        retryAfterMs: allowed ? 0 : 12_500,
        resetAt: new Date(60_000),
        violated,
        policies: states,
        shared: true,
      },
      finish: (outcome) => {
        this.finished.push(`${allowed ? '' : 'DENIED '}${names.join(' ')}: ${outcome}`);
        for (const [index, { policy }] of parts.entries()) {
          if (policy.shape.kind === 'concurrency') this.#taken.set(names[index]!, this.#taken.get(names[index]!)! - 1);
        }
      },
      cancel: () => {
        this.finished.push(`${names.join(' ')}: cancelled`);
        for (const [index, { policy, cost }] of parts.entries())
          this.#taken.set(names[index]!, this.#taken.get(names[index]!)! - (cost ?? policy.cost));
      },
    };
  }
}
