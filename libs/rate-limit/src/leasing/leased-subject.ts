import type { Decision, RateLimitDriver, Settlement } from '../drivers/rate-limit-driver.js';
import type { LeaseClock } from './lease-clock.js';
import type { LeasedRules } from './leased-rules.js';
import { unitsToAsk } from './units-to-ask.js';
import { UnitsAhead } from './units-ahead.js';

/** What a subject that takes units ahead lives in. */
export interface Surroundings {
  readonly store: Pick<RateLimitDriver, 'decide'>;
  readonly clock: LeaseClock;
  /** Gives back to the store, as far as that can be done. */
  giveBack(settlements: readonly Settlement[]): void;
  /** The subject has just been answered by the store. */
  onAnswer(subject: LeasedSubject): void;
}

interface WaitingCall {
  readonly rules: LeasedRules;
  readonly operation: number;
  resolve(decision: Decision | Promise<Decision>): void;
  reject(error: unknown): void;
}

// Far more than any limit gives, and nothing that could overflow.
const MOST_PACE = 2 ** 30;

/**
 * The calls of one subject under one set of rules. One of them asks the store, for itself, for those that wait, and for as
 * many to come as have come of late.
 */
export class LeasedSubject {
  readonly #waiting: WaitingCall[] = [];
  #ahead: UnitsAhead | undefined;
  /** For how many calls like the first that waits is asked. */
  #pace = 1;
  /** Of each rule, as the store has said last. */
  #remaining: readonly number[] | undefined;
  #asking: Promise<void> | undefined;
  /** Goes up when what was asked for before must neither be spent later nor be given back. */
  #revocations = 0;
  #closed = false;

  constructor(
    private readonly key: string,
    private readonly around: Surroundings,
  ) {}

  get isAsking(): boolean {
    return this.#asking !== undefined;
  }

  /** What can be spent now, of each rule. */
  get rest(): readonly number[] | undefined {
    return this.#isOver() ? undefined : this.#ahead?.rest;
  }

  decide(rules: LeasedRules, operation: number): Promise<Decision> {
    if (this.#waiting.length === 0 && this.#covers(rules)) return Promise.resolve(this.#ahead!.spend(rules.costs));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ rules, operation, resolve, reject });
      this.#asking ??= this.#serve();
    });
  }

  /** Gives back what is over. @returns whether there was anything, so that more calls are to be expected */
  expire(): boolean {
    const wasOpen = this.#ahead !== undefined && this.#ahead.rest.some((units) => units > 0);
    if (wasOpen) this.#pace = Math.max(1, this.#ahead!.spentCalls);
    this.giveBack();
    return wasOpen;
  }

  /** Spends nothing more of what it has, and gives it back. */
  giveBack(): void {
    if (this.#ahead) this.around.giveBack(this.#ahead.takeRest());
    this.#ahead = undefined;
  }

  /**
   * Spends nothing more of what it has or has asked for. Nothing is given back: if the store has forgotten meanwhile what was
   * taken, that would be taken from what others were charged.
   */
  forget(): void {
    this.#revocations += 1;
    this.#ahead = undefined;
  }

  /** Takes nothing ahead any more. Resolves once nothing is asked. */
  async close(): Promise<void> {
    this.#closed = true;
    this.giveBack();
    await this.#asking;
  }

  async #serve(): Promise<void> {
    while (this.#waiting.length > 0) {
      if (this.#covers(this.#waiting[0]!.rules)) this.#spendFor(this.#waiting.shift()!);
      else await this.#ask();
    }
    this.#asking = undefined;
  }

  /** Ends with the first that waits decided, at least. */
  async #ask(): Promise<void> {
    this.#learnPace();
    this.giveBack();
    for (let attempt = 1; ; attempt++) {
      const calls = this.#waiting.slice();
      const { rules, operation } = calls[0]!;
      const remaining = attempt > 2 ? undefined : this.#remaining;
      const units = unitsToAsk(
        calls.map((call) => call.rules),
        remaining,
        attempt === 1 ? this.#pace : 1,
      );
      const asked = { key: this.key, rules: rules.taking(units.each), operation };
      const { clock } = this.around;
      const sentAtUs = clock.now();
      const revocations = this.#revocations;
      let decision: Decision;
      try {
        decision = await this.around.store.decide([asked], operation);
      } catch (error) {
        // Who came meanwhile would learn the same, only later.
        this.#remaining = undefined;
        for (const call of this.#waiting.splice(0)) call.reject(error);
        return;
      } finally {
        this.around.onAnswer(this);
      }
      this.#remaining = decision.verdicts.map((verdict) => verdict.remaining);
      if (decision.allowed) {
        this.#ahead = new UnitsAhead({ ...asked, sentAtUs }, decision, rules.forUs);
        // They have waited for this very answer, so they are admitted however late it is.
        for (const call of this.#waiting.splice(0, units.calls)) this.#spendFor(call);
        if (revocations !== this.#revocations) this.#ahead = undefined;
        else if (this.#closed || this.#isOver()) this.giveBack();
        return;
      }
      this.#pace = 1;
      if (rules.cost(units.each)) {
        this.#deny(calls, decision);
        return;
      }
    }
  }

  /** Those that cost the same are denied as the first was. The others ask for themselves, all at once. */
  #deny(calls: readonly WaitingCall[], decision: Decision): void {
    this.#waiting.splice(0, calls.length);
    const { costs } = calls[0]!.rules;
    for (const { rules, operation, resolve } of calls) {
      const isSame = rules.cost(costs);
      resolve(
        isSame ? decision : this.around.store.decide([{ key: this.key, rules: rules.taking(rules.costs) }], operation),
      );
    }
  }

  /** Twice as much each time that it is used up early, and as much as was used when something was left over. */
  #learnPace(): void {
    if (!this.#ahead) return;
    this.#pace = this.#isOver() ? Math.max(1, this.#ahead.spentCalls) : Math.min(MOST_PACE, this.#pace * 2);
  }

  #spendFor(call: WaitingCall): void {
    call.resolve(this.#ahead!.spend(call.rules.costs));
  }

  #covers(rules: LeasedRules): boolean {
    return this.#ahead !== undefined && !this.#isOver() && this.#ahead.covers(rules.costs);
  }

  #isOver(): boolean {
    return this.#ahead !== undefined && this.#ahead.endsAtUs <= this.around.clock.now();
  }
}
