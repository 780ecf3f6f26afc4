import type { RateLimitDecision } from '../decision.js';
import type { ResolvedPolicy } from '../policies/resolve-policy.js';
import { Denial } from './denial.js';
import type { Denials } from './denials.js';
import type { RecentForgets } from './recent-forgets.js';

/** What has to be known of a policy here. */
export type DenyingPolicy = Pick<ResolvedPolicy, 'name' | 'id' | 'capacity' | 'cost' | 'shadow'> & {
  readonly shape: { readonly kind: string };
  readonly when?: 'always' | 'failures' | 'successes';
  /** What processes take ahead, and give back when they do not need it. */
  readonly lease?: object | undefined;
};

/** What the subjects of all sets of policies share. */
export interface DenyCacheParts {
  readonly denials: Denials;
  readonly forgets: RecentForgets;
  /** The monotonic clock, in milliseconds. */
  readonly clock: () => number;
  /** Whether it would be told of what ends a denial early. */
  readonly isToldOfAll: () => boolean;
}

// A subject of 10 KB would be kept as often as an attacker likes.
const LONGEST_SUBJECT = 512;
const MOST_KEYS = 16;
// Clocks of two machines differ, and Redis must be free to allow the call when it is asked again.
const MARGIN_MS = 1;
const OTHER_CLOCK = 0.999;

/** The subjects that some policies, taken together, deny for now. */
export class DeniedSubjects {
  readonly #denials = new Map<string, Denial>();
  readonly #capacities: readonly number[];
  /** Of all its policies: the least and the most that a call takes that does not say it, and the most that it may say. */
  readonly #leastUsual: number;
  readonly #mostUsual: number;
  readonly #mostCost: number;
  /** The policies whose denials may end before their time, as they may get something back. */
  readonly #uncertain: ReadonlySet<string>;
  readonly #ids: ReadonlySet<number>;

  /** @internal Made by DenyCache. */
  constructor(
    policies: readonly DenyingPolicy[],
    private readonly cache: DenyCacheParts,
  ) {
    this.#capacities = policies.map(({ capacity }) => capacity);
    const costs = policies.map(({ cost }) => cost);
    this.#leastUsual = Math.min(...costs);
    this.#mostUsual = Math.max(...costs);
    this.#mostCost = Math.min(...this.#capacities);
    this.#uncertain = new Set(policies.filter(isUncertain).map(({ name }) => name));
    this.#ids = new Set(policies.map(({ id }) => id));
  }

  /**
   * What a call is told without asking Redis; undefined: Redis has to be asked.
   *
   * @param cost as the caller says it; what is wrong with it is for others to say
   */
  look(subject: string, cost: number | undefined): RateLimitDecision | undefined {
    const denial = this.#denials.get(subject);
    if (denial === undefined) return undefined;
    const nowMs = this.cache.clock();
    if (nowMs >= denial.untilMs) {
      this.cache.denials.remove(denial);
      return undefined;
    }
    return this.#holds(denial, cost) ? denial.decisionAt(nowMs) : undefined;
  }

  /**
   * Keeps what Redis has decided of a call, if calls like it can be told the same for a while. Not of a peek: it begins no block.
   *
   * @param keys of the states that it was decided by
   * @param askedAtMs the time by `performance.now()` before Redis was asked: what is forgotten after that stays forgotten
   */
  note(
    subject: string,
    keys: readonly string[],
    cost: number | undefined,
    decision: RateLimitDecision,
    askedAtMs: number,
  ): void {
    if (decision.allowed || !decision.shared || !this.cache.isToldOfAll()) return;
    if (subject.length > LONGEST_SUBJECT || keys.length > MOST_KEYS) return;
    if (this.#uncertain.size > 0 && decision.violated.some((name) => this.#uncertain.has(name))) return;
    if (this.cache.forgets.since(askedAtMs, keys)) return;
    const notedAtMs = this.cache.clock();
    // Redis has decided after it was asked, so this is before the end as Redis sees it.
    const untilMs = askedAtMs + (decision.retryAfterMs - MARGIN_MS) * OTHER_CLOCK;
    if (untilMs <= notedAtMs) return;
    const known = this.#denials.get(subject);
    if (known) this.cache.denials.remove(known);
    const denial = new Denial({
      owner: this,
      subject,
      keys: keys.length === 1 ? keys : [...new Set(keys)],
      cost: cost ?? this.#mostUsual,
      usual: cost === undefined,
      decision,
      capacities: this.#capacities,
      notedAtMs,
      untilMs,
    });
    this.#denials.set(subject, denial);
    this.cache.denials.add(denial);
  }

  /** @internal Whether one of these rules is among its policies. */
  hasAny(ids: readonly number[]): boolean {
    return ids.some((id) => this.#ids.has(id));
  }

  /** @internal It was taken out of all denials. */
  lose(denial: Denial): void {
    this.#denials.delete(denial.subject);
  }

  /** A call that takes as much or more is denied, too; and one that takes more than there can be is an error. */
  #holds(denial: Denial, cost: number | undefined): boolean {
    if (cost === undefined) return denial.usual || this.#leastUsual >= denial.cost;
    return cost >= denial.cost && cost <= this.#mostCost && Number.isSafeInteger(cost);
  }
}

/**
 * A policy in the shadow denies nothing, and as a denied call is charged to none of its policies it also misses nothing of a
 * call that is not asked.
 */
function isUncertain({ shadow, shape, when = 'always', lease }: DenyingPolicy): boolean {
  return !shadow && (shape.kind === 'concurrency' || when !== 'always' || lease !== undefined);
}
