import type { Conditions } from '../history/conditions.js';
import type { History } from '../history/history.js';

export type RuleName = 'exclusion' | 'fencing' | 'validity' | 'fairness' | 'wake-up' | 'outcome' | 'process';

/** Something that must never happen, and has. */
export interface Violation {
  readonly rule: RuleName;
  readonly at: number;
  readonly message: string;
}

/** Judges a history; what it returns is empty when there is nothing to say. */
export type Rule = (history: History, conditions: Conditions) => Violation[];
