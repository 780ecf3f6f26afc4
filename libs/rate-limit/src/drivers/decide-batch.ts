import type { CommandArgument } from '@nuthatch/redis/internal';
import type { Decision, GcraRule, Verdict } from './rate-limit-driver.js';
import type { Plan } from './plan.js';

const HEAD = 2;
const PER_RULE = 3;

/** Calls with the same plan that came one after the other. */
interface Row {
  readonly number: number;
  readonly plan: Plan;
  readonly marks: string[];
  calls: number;
}

/** Calls that are made in one turn of the event loop, and who waits for them. Either all are to be charged, or none. */
export class DecideBatch {
  readonly keys: string[] = [];
  readonly #plans: Plan[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #rows: Row[] = [];
  readonly #resolves: ((decision: Decision) => void)[] = [];
  readonly #rejects: ((error: unknown) => void)[] = [];

  get size(): number {
    return this.#resolves.length;
  }

  /** @param mark of the operation, for the places that it takes */
  add(keys: readonly string[], plan: Plan, mark: string): Promise<Decision> {
    let row = this.#rows.at(-1);
    if (row?.plan.text !== plan.text) {
      row = { number: this.#numberOf(plan), plan, marks: [], calls: 0 };
      this.#rows.push(row);
    }
    row.calls += 1;
    if (plan.hasPlaces) row.marks.push(mark);
    for (const key of keys) this.keys.push(key);
    return new Promise((resolve, reject) => {
      this.#resolves.push(resolve);
      this.#rejects.push(reject);
    });
  }

  /** The plans and calls as the script is told them. @param nowUs about the time of the store */
  args(nowUs: number): CommandArgument[] {
    const args: CommandArgument[] = [this.#plans.length];
    for (const plan of this.#plans) for (const arg of plan.args(nowUs)) args.push(arg);
    for (const { number, calls, marks } of this.#rows) args.push(number, calls, ...marks);
    return args;
  }

  /** Gives everybody their part of the reply. */
  resolve(reply: readonly number[]): void {
    const [nowUs, short] = reply as [number, number];
    let [at, call] = [HEAD, 0];
    for (const { plan, calls } of this.#rows) {
      for (const end = call + calls; call < end; call++) {
        let allowed = true;
        const verdicts: Verdict[] = [];
        for (const rule of plan.rules) {
          const verdict = call < short ? shortVerdict(rule as GcraRule, reply[at]!) : verdictAt(reply, at);
          at += call < short ? 1 : PER_RULE;
          if (!verdict.ok && !rule.shadow) allowed = false;
          verdicts.push(verdict);
        }
        this.#resolves[call]!({ allowed, nowUs, verdicts });
      }
    }
  }

  reject(error: unknown): void {
    for (const reject of this.#rejects) reject(error);
  }

  #numberOf(plan: Plan): number {
    let number = this.#numbers.get(plan.text);
    if (number === undefined) {
      number = this.#plans.push(plan);
      this.#numbers.set(plan.text, number);
    }
    return number;
  }
}

function verdictAt(reply: readonly number[], at: number): Verdict {
  const retryUs = reply[at + 1]!;
  return { ok: retryUs === 0, remaining: reply[at]!, retryUs, resetUs: reply[at + 2]! };
}

/** The rest follows from one number, which saves the script and the connection most of their work. */
function shortVerdict({ emissionUs, burst, cost }: GcraRule, value: number): Verdict {
  const toleranceUs = emissionUs * burst;
  const retryUs = value < 0 ? -value : 0;
  const resetUs = value < 0 ? toleranceUs - value - emissionUs * cost : value;
  // More may have been taken than there was, see `settle`.
  const remaining = Math.max(0, Math.floor((toleranceUs - resetUs) / emissionUs));
  return { ok: value >= 0, remaining, retryUs, resetUs };
}
