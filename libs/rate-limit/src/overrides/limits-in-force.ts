import type { LimitOverride } from './override-entry.js';
import { isDigest, subjectName } from './subject-name.js';

interface OfPolicy {
  everybody: number | undefined;
  readonly subjects: Map<string, number>;
}

/** Limits that apply instead of those of the options, for a look at each call. */
export class LimitsInForce {
  readonly #byPolicy = new Map<string, OfPolicy>();
  /** Whether subjects are there by their digest, so that those of calls must be looked for by theirs. */
  readonly #digests: boolean;

  constructor(readonly all: readonly LimitOverride[]) {
    this.#digests = all.some(({ subject }) => subject !== undefined && isDigest(subject));
    for (const { policy, subject, limit } of all) {
      let limits = this.#byPolicy.get(policy);
      if (!limits) this.#byPolicy.set(policy, (limits = { everybody: undefined, subjects: new Map() }));
      if (subject === undefined) limits.everybody = limit;
      else limits.subjects.set(subject, limit);
    }
  }

  /** @param times how many times the limit of everybody this subject has; one of its own is as it is */
  limitFor(policy: string, subject: string, times = 1): number | undefined {
    const limits = this.#byPolicy.get(policy);
    if (limits === undefined) return undefined;
    const own = limits.subjects.size > 0 && limits.subjects.get(this.#digests ? subjectName(subject) : subject);
    return own || (limits.everybody && limits.everybody * times);
  }

  /** The names of the policies of which a limit is another than here. */
  changesTo(other: LimitsInForce): ReadonlySet<string> {
    const changed = new Set<string>();
    for (const [one, two] of [
      [this, other],
      [other, this],
    ] as const) {
      for (const { policy, subject, limit } of one.all) {
        if (two.#limitOf(policy, subject) !== limit) changed.add(policy);
      }
    }
    return changed;
  }

  #limitOf(policy: string, subject: string | undefined): number | undefined {
    const limits = this.#byPolicy.get(policy);
    return subject === undefined ? limits?.everybody : limits?.subjects.get(subject);
  }
}
