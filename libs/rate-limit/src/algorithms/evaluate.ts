import type { Rule } from '../drivers/rate-limit-driver.js';
import type { Evaluation } from './algorithm.js';
import { evaluateCalendar } from './calendar.js';
import { evaluateConcurrency, type ConcurrencyState } from './concurrency.js';
import { evaluateFixedWindow, type FixedWindowState } from './fixed-window.js';
import { evaluateGcra, type GcraState } from './gcra.js';
import { evaluateSlidingLog, type SlidingLogState } from './sliding-log.js';
import { evaluateSlidingWindow, type SlidingWindowState } from './sliding-window.js';

/** What is known of a subject under a rule, by the kind of the rule. */
export interface StateOf {
  gcra: GcraState;
  fixedWindow: FixedWindowState;
  calendar: FixedWindowState;
  slidingWindow: SlidingWindowState;
  slidingLog: SlidingLogState;
  concurrency: ConcurrencyState;
}

export type RuleState = { [K in Rule['kind']]: { readonly kind: K; readonly state: StateOf[K] } }[Rule['kind']];

type Evaluators = {
  [K in Rule['kind']]: (
    rule: Extract<Rule, { kind: K }>,
    state: StateOf[K] | undefined,
    nowUs: number,
    operation: number,
  ) => Evaluation<StateOf[K]>;
};

const EVALUATORS: Evaluators = {
  gcra: evaluateGcra,
  fixedWindow: evaluateFixedWindow,
  calendar: evaluateCalendar,
  slidingWindow: evaluateSlidingWindow,
  slidingLog: evaluateSlidingLog,
  concurrency: evaluateConcurrency,
};

/** What is known of a rule that was of another kind before is of no use. */
export function evaluate<K extends Rule['kind']>(
  rule: Extract<Rule, { kind: K }>,
  known: RuleState | undefined,
  nowUs: number,
  operation: number,
): Evaluation<RuleState> {
  const kind: K = rule.kind as K;
  const state = known?.kind === kind ? (known.state as StateOf[K]) : undefined;
  const evaluation = EVALUATORS[kind](rule, state, nowUs, operation);
  const { after } = evaluation;
  return { ...evaluation, after: after && { ...after, state: { kind, state: after.state } as RuleState } };
}
