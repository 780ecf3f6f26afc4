import type { Decision, RateLimitDriver, Settlement } from '../drivers/rate-limit-driver.js';
import type { LeaseClock } from './lease-clock.js';
import type { LeasedRules } from './leased-rules.js';
import { LeasedSubject, type Surroundings } from './leased-subject.js';

interface Entry {
  readonly subject: LeasedSubject;
  readonly dueAtUs: number;
}

/** The subjects that were asked about of late under one set of rules. */
export class LeaseBook {
  /** In the order in which they are due. */
  readonly #entries = new Map<string, Entry>();
  #cancelWake: (() => void) | undefined;

  /** @param onEmpty called when there is nobody left */
  constructor(
    private readonly rules: LeasedRules,
    private readonly store: Pick<RateLimitDriver, 'decide'>,
    private readonly clock: LeaseClock,
    private readonly giveBack: (settlements: readonly Settlement[]) => void,
    private readonly onEmpty: () => void,
  ) {}

  decide(key: string, rules: LeasedRules, operation: number): Promise<Decision> {
    return (this.find(key) ?? this.#add(key)).decide(rules, operation);
  }

  find(key: string): LeasedSubject | undefined {
    return this.#entries.get(key)?.subject;
  }

  has(ids: readonly number[]): boolean {
    return this.rules.ids.some((id) => ids.includes(id));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#entries.values()].map(({ subject }) => subject.close()));
    this.#cancelWake?.();
    this.#entries.clear();
  }

  #add(key: string): LeasedSubject {
    const around: Surroundings = {
      store: this.store,
      clock: this.clock,
      giveBack: this.giveBack,
      onAnswer: (subject) => this.#put(key, subject),
    };
    const subject = new LeasedSubject(key, around);
    this.#put(key, subject);
    return subject;
  }

  #put(key: string, subject: LeasedSubject): void {
    this.#entries.delete(key);
    this.#entries.set(key, { subject, dueAtUs: this.clock.now() + this.rules.forUs });
    this.#cancelWake ??= this.clock.wake(this.rules.forUs, () => this.#expire());
  }

  /** Lets those go that nobody has asked about since, and that have left nothing over: what was left over calls for another look. */
  #expire(): void {
    const nowUs = this.clock.now();
    for (const [key, { subject, dueAtUs }] of this.#entries) {
      if (dueAtUs > nowUs) {
        this.#cancelWake = this.clock.wake(dueAtUs - nowUs, () => this.#expire());
        return;
      }
      if (subject.isAsking || subject.expire()) this.#put(key, subject);
      else this.#entries.delete(key);
    }
    this.#cancelWake = undefined;
    this.onEmpty();
  }
}
