import { evaluate, type RuleState } from '../algorithms/evaluate.js';
import type { Evaluation } from '../algorithms/algorithm.js';
import { giveBack } from '../algorithms/give-back.js';
import type {
  Block,
  Charge,
  ConcurrencyRule,
  Decision,
  RateLimitDriver,
  Rule,
  Settlement,
  Verdict,
} from './rate-limit-driver.js';

interface Blocked {
  readonly untilUs: number;
  /** How many blocks it followed. */
  readonly strikes: number;
}

interface Subject {
  readonly states: Map<number, RuleState>;
  readonly blocks: Map<number, Blocked>;
  /** When it is as good as none. */
  endsAt: number;
}

// Expired subjects are looked for now and then, a few at a time: one pass over all of them would hold up everybody.
const SWEEP_EVERY = 64;
const SWEEP_AT_ONCE = 256;
const MOST_STRIKES = 255;

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

  async decide(charges: readonly Charge[], operation: number): Promise<Decision> {
    if (++this.#calls % SWEEP_EVERY === 0) this.#sweepSome();
    return this.#decide(charges, operation);
  }

  async peek(charges: readonly Charge[]): Promise<Decision> {
    return this.#decide(charges, undefined);
  }

  async settle(settlements: readonly Settlement[]): Promise<void> {
    const nowUs = this.clock();
    for (const settlement of settlements) {
      const { key, rule, back } = settlement;
      const subject = this.#subjectAt(key, nowUs) ?? this.#add(key);
      const state = giveBack(settlement, subject.states.get(rule.id), nowUs);
      if (state) subject.states.set(rule.id, state);
      else subject.states.delete(rule.id);
      if (back < 0 && state?.kind === 'gcra') subject.endsAt = Math.max(subject.endsAt, state.state.arrivalUs);
      if (back < 0 && rule.kind === 'slidingLog') subject.endsAt = Math.max(subject.endsAt, nowUs + rule.perUs);
    }
  }

  async renew(key: string, { id, leaseUs }: ConcurrencyRule, operation: number): Promise<boolean> {
    const nowUs = this.clock();
    const subject = this.#subjectAt(key, nowUs);
    const known = subject?.states.get(id);
    if (!subject || known?.kind !== 'concurrency') return false;
    let renewed = false;
    const state = known.state.map((place) => {
      if (place.operation !== operation || place.endsAt <= nowUs) return place;
      renewed = true;
      return { operation, endsAt: nowUs + leaseUs };
    });
    subject.states.set(id, { kind: 'concurrency', state });
    if (renewed) subject.endsAt = Math.max(subject.endsAt, nowUs + leaseUs);
    return renewed;
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
    subject.blocks.set(id, { untilUs: nowUs + forUs, strikes: 0 });
    subject.endsAt = Math.max(subject.endsAt, nowUs + forUs);
  }

  /** @param operation undefined to charge nothing */
  #decide(charges: readonly Charge[], operation: number | undefined): Decision {
    const nowUs = this.clock();
    const evaluations = charges.map(({ key, rules }) => {
      const subject = this.#subjectAt(key, nowUs);
      return rules.map((rule) => evaluateBlocked(rule, subject, nowUs, operation ?? 0));
    });
    const allowed = charges.every(({ rules }, at) =>
      rules.every((rule, index) => rule.shadow || evaluations[at]![index]!.ok),
    );
    const charged = operation !== undefined && allowed;
    if (charged) charges.forEach((charge, at) => this.#charge(charge, evaluations[at]!, nowUs));
    const verdicts = charges.flatMap(({ key, rules }, at) =>
      rules.map((rule, index) => {
        const evaluation = evaluations[at]![index]!;
        const verdict = verdictOf(evaluation, charged);
        const blocks = operation !== undefined && !evaluation.ok && !evaluation.blocked && !rule.shadow && rule.block;
        return blocks ? this.#punish(key, rule.id, blocks, verdict, nowUs) : verdict;
      }),
    );
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

  /** Begins the block that follows a denial. */
  #punish(key: string, id: number, block: Block, verdict: Verdict, nowUs: number): Verdict {
    const subject = this.#subjectAt(key, nowUs) ?? this.#add(key);
    const last = subject.blocks.get(id);
    const strikes = last && nowUs < last.untilUs + block.decayUs ? Math.min(last.strikes + 1, MOST_STRIKES) : 0;
    let lengthUs = Math.min(block.mostUs, block.baseUs);
    for (let strike = 0; strike < strikes; strike++) lengthUs = Math.min(block.mostUs, lengthUs * block.factor);
    subject.blocks.set(id, { untilUs: nowUs + lengthUs, strikes });
    subject.endsAt = Math.max(subject.endsAt, nowUs + lengthUs + block.decayUs);
    return {
      ok: false,
      remaining: 0,
      retryUs: Math.max(verdict.retryUs, lengthUs),
      resetUs: Math.max(verdict.resetUs, lengthUs),
    };
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

function evaluateBlocked(
  rule: Rule,
  subject: Subject | undefined,
  nowUs: number,
  operation: number,
): Evaluation<RuleState> & { readonly blocked: boolean } {
  const evaluation = evaluate(rule, subject?.states.get(rule.id), nowUs, operation);
  const blockedUs = (subject?.blocks.get(rule.id)?.untilUs ?? 0) - nowUs;
  if (blockedUs <= 0) return { ...evaluation, blocked: false };
  const { resetUs } = evaluation.before;
  const before = { remaining: 0, resetUs: Math.max(blockedUs, resetUs) };
  return { ok: false, retryUs: Math.max(blockedUs, evaluation.retryUs), before, after: undefined, blocked: true };
}

function verdictOf({ ok, retryUs, before, after }: Evaluation<RuleState>, charged: boolean): Verdict {
  const { remaining, resetUs } = charged && after ? after : before;
  return { ok, remaining, retryUs, resetUs };
}

/** Unlike the clock of the machine it never goes back. */
function systemClock(): number {
  return Math.floor((performance.timeOrigin + performance.now()) * 1_000);
}
