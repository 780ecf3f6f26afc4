import type { Rule } from '../drivers/rate-limit-driver.js';
import type { Evaluation } from './algorithm.js';
import { evaluateFixedWindow, type FixedWindowState } from './fixed-window.js';
import { evaluateGcra, type GcraState } from './gcra.js';
import { evaluateSlidingLog, type SlidingLogState } from './sliding-log.js';
import { evaluateSlidingWindow, type SlidingWindowState } from './sliding-window.js';

export type RuleState =
  | { readonly kind: 'gcra'; readonly state: GcraState }
  | { readonly kind: 'fixedWindow'; readonly state: FixedWindowState }
  | { readonly kind: 'slidingWindow'; readonly state: SlidingWindowState }
  | { readonly kind: 'slidingLog'; readonly state: SlidingLogState };

/** What is known of a rule that was of another kind before is of no use. */
export function evaluate(rule: Rule, known: RuleState | undefined, nowUs: number): Evaluation<RuleState> {
  switch (rule.kind) {
    case 'gcra':
      return named(rule.kind, evaluateGcra(rule, known?.kind === 'gcra' ? known.state : undefined, nowUs));
    case 'fixedWindow':
      return named(
        rule.kind,
        evaluateFixedWindow(rule, known?.kind === 'fixedWindow' ? known.state : undefined, nowUs),
      );
    case 'slidingWindow':
      return named(
        rule.kind,
        evaluateSlidingWindow(rule, known?.kind === 'slidingWindow' ? known.state : undefined, nowUs),
      );
    case 'slidingLog':
      return named(rule.kind, evaluateSlidingLog(rule, known?.kind === 'slidingLog' ? known.state : undefined, nowUs));
  }
}

function named<State>(kind: RuleState['kind'], evaluation: Evaluation<State>): Evaluation<RuleState> {
  const { after } = evaluation;
  return { ...evaluation, after: after && { ...after, state: { kind, state: after.state } as RuleState } };
}
