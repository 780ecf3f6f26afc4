import { evaluate, type RuleState } from '../algorithms/evaluate.js';
import type { Evaluation } from '../algorithms/algorithm.js';
import type { Charge, Decision, RateLimitDriver, Rule, Verdict } from './rate-limit-driver.js';

interface Subject {
  readonly states: Map<number, RuleState>;
  /** Until when each rule denies everything. */
  readonly blocks: Map<number, number>;
  /** When it is as good as none. */
  endsAt: number;
}

// Expired subjects are looked for now and then, a few at a time: one pass over all of them would hold up everybody.
const SWEEP_EVERY = 64;
const SWEEP_AT_ONCE = 256;

/** Limits in the memory of this process. */
export class MemoryRateLimitDriver implements RateLimitDriver {
  readonly #subjects = new Map<string, Subject>();
  #calls = 0;
  #sweep = this.#subjects.entries();

  /** @param clock the time in whole microseconds */
  constructor(private readonly clock: () => number = systemClock) {}

  /** How many subjects are known. */
  get size(): number {
    return this.#subjects.size;
  }

  async decide(charges: readonly Charge[]): Promise<Decision> {
    if (++this.#calls % SWEEP_EVERY === 0) this.#sweepSome();
    return this.#decide(charges, true);
  }

  async peek(charges: readonly Charge[]): Promise<Decision> {
    return this.#decide(charges, false);
  }

  async reset(key: string, ids: readonly number[]): Promise<void> {
    const subject = this.#subjects.get(key);
    for (const id of ids) {
      subject?.states.delete(id);
      subject?.blocks.delete(id);
    }
    if (subject && subject.states.size + subject.blocks.size === 0) this.#subjects.delete(key);
  }

  async block(key: string, id: number, forUs: number): Promise<void> {
    const nowUs = this.clock();
    if (forUs === 0) {
      this.#subjects.get(key)?.blocks.delete(id);
      return;
    }
    const subject = this.#subjectAt(key, nowUs) ?? this.#add(key);
    subject.blocks.set(id, nowUs + forUs);
    subject.endsAt = Math.max(subject.endsAt, nowUs + forUs);
  }

  #decide(charges: readonly Charge[], charging: boolean): Decision {
    const nowUs = this.clock();
    const evaluations = charges.map(({ key, rules }) => {
      const subject = this.#subjectAt(key, nowUs);
      return rules.map((rule) => evaluateBlocked(rule, subject, nowUs));
    });
    const allowed = charges.every(({ rules }, at) =>
      rules.every((rule, index) => rule.shadow || evaluations[at]![index]!.ok),
    );
    const charged = charging && allowed;
    if (charged) charges.forEach((charge, at) => this.#charge(charge, evaluations[at]!, nowUs));
    const verdicts = evaluations.flat().map((evaluation) => verdictOf(evaluation, charged));
    return { allowed, nowUs, verdicts };
  }

  #charge({ key, rules }: Charge, evaluations: readonly Evaluation<RuleState>[], nowUs: number): void {
    const subject = this.#subjectAt(key, nowUs) ?? this.#add(key);
    rules.forEach(({ id }, index) => {
      const { after } = evaluations[index]!;
      if (!after) return;
      subject.states.set(id, after.state);
      subject.endsAt = Math.max(subject.endsAt, nowUs + after.resetUs);
    });
  }

  #subjectAt(key: string, nowUs: number): Subject | undefined {
    const subject = this.#subjects.get(key);
    return subject && subject.endsAt > nowUs ? subject : undefined;
  }

  #add(key: string): Subject {
    const subject = { states: new Map(), blocks: new Map(), endsAt: 0 };
    this.#subjects.set(key, subject);
    return subject;
  }

  #sweepSome(): void {
    const nowUs = this.clock();
    for (let count = 0; count < SWEEP_AT_ONCE; count++) {
      const { done, value } = this.#sweep.next();
      if (done) {
        this.#sweep = this.#subjects.entries();
        return;
      }
      if (value[1].endsAt <= nowUs) this.#subjects.delete(value[0]);
    }
  }
}

function evaluateBlocked(rule: Rule, subject: Subject | undefined, nowUs: number): Evaluation<RuleState> {
  const evaluation = evaluate(rule, subject?.states.get(rule.id), nowUs);
  const blockedUs = (subject?.blocks.get(rule.id) ?? 0) - nowUs;
  if (blockedUs <= 0) return evaluation;
  const { resetUs } = evaluation.before;
  const before = { remaining: 0, resetUs: Math.max(blockedUs, resetUs) };
  return { ok: false, retryUs: Math.max(blockedUs, evaluation.retryUs), before, after: undefined };
}

function verdictOf({ ok, retryUs, before, after }: Evaluation<RuleState>, charged: boolean): Verdict {
  const { remaining, resetUs } = charged && after ? after : before;
  return { ok, remaining, retryUs, resetUs };
}

/** Unlike the clock of the machine it never goes back. */
function systemClock(): number {
  return Math.floor((performance.timeOrigin + performance.now()) * 1_000);
}
