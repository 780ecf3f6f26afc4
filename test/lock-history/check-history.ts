import type { Conditions } from './history/conditions.js';
import type { History } from './history/history.js';
import { checkExclusion } from './rules/exclusion.js';
import { checkFairness } from './rules/fairness.js';
import { checkFencing } from './rules/fencing.js';
import { checkOutcomes } from './rules/outcomes.js';
import { checkValidity } from './rules/validity.js';
import type { Rule, Violation } from './rules/violation.js';
import { checkWakeUps } from './rules/wake-up.js';

const RULES: readonly Rule[] = [
  checkExclusion,
  checkFencing,
  checkValidity,
  checkFairness,
  checkWakeUps,
  checkOutcomes,
  checkProcesses,
];

/** Everything in a history that must never happen, by time. */
export function checkHistory(history: History, conditions: Conditions): Violation[] {
  return RULES.flatMap((rule) => rule(history, conditions)).sort((one, other) => one.at - other.at);
}

/** No process has unhandled rejections, uncaught exceptions or warnings of Node. */
function checkProcesses({ processes }: History): Violation[] {
  return [...processes.values()].flatMap(({ name, endedAt, troubles }) =>
    troubles.map((trouble) => ({ rule: 'process' as const, at: endedAt, message: `${name}: ${trouble}` })),
  );
}
