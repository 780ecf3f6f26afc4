import type { PolicyState, RateLimitDecision } from '../decision.js';
import type { DeniedSubjects } from './denied-subjects.js';

/** What a call was denied by, for the calls that follow it. Times are of the monotonic clock. */
export interface DenialParts {
  /** Where it is found again. */
  readonly owner: DeniedSubjects;
  readonly subject: string;
  /** Of the states that it was decided by. */
  readonly keys: readonly string[];
  /** The least cost that it holds for. */
  readonly cost: number;
  /** Whether the call did not say its cost: then it holds for all that do not. */
  readonly usual: boolean;
  readonly decision: RateLimitDecision;
  /** How much each policy has to give when nothing of it is taken. */
  readonly capacities: readonly number[];
  /** When the decision was known. */
  readonly notedAtMs: number;
  /** From when on Redis is asked again. */
  readonly untilMs: number;
}

/** A call that was denied, and what calls like it are told meanwhile. */
export class Denial {
  /** The one that was noted before this one. */
  older: Denial | undefined;
  /** The one that was noted after this one. */
  newer: Denial | undefined;
  readonly owner: DeniedSubjects;
  readonly subject: string;
  readonly keys: readonly string[];
  readonly cost: number;
  readonly usual: boolean;
  readonly untilMs: number;
  readonly #decision: RateLimitDecision;
  readonly #capacities: readonly number[];
  readonly #notedAtMs: number;

  constructor(parts: DenialParts) {
    this.owner = parts.owner;
    this.subject = parts.subject;
    this.keys = parts.keys;
    this.cost = parts.cost;
    this.usual = parts.usual;
    this.untilMs = parts.untilMs;
    this.#decision = parts.decision;
    this.#capacities = parts.capacities;
    this.#notedAtMs = parts.notedAtMs;
  }

  /** What Redis would say now, unless somebody has taken from the policies that did not deny it. */
  decisionAt(nowMs: number): RateLimitDecision {
    const { remaining, retryAfterMs, resetAt, violated, policies, shared } = this.#decision;
    const passedMs = nowMs - this.#notedAtMs;
    const states: PolicyState[] = [];
    for (let index = 0; index < policies.length; index++) {
      const { name, limit, remaining: left, resetMs, denies } = policies[index]!;
      const reset = Math.max(0, Math.ceil(resetMs - passedMs));
      states.push({ name, limit, remaining: reset === 0 ? this.#capacities[index]! : left, resetMs: reset, denies });
    }
    return {
      allowed: false,
      // By the policy that denies it, which gives nothing back before the end.
      remaining,
      retryAfterMs: Math.max(1, Math.ceil(retryAfterMs - passedMs)),
      resetAt: new Date(resetAt),
      violated: [...violated],
      policies: states,
      shared,
    };
  }
}
