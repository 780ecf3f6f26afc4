import type { CommandArgument } from '@nuthatch/redis/internal';
import { operationMark } from './operation-mark.js';
import { paceOf } from '../algorithms/gcra.js';
import { KINDS } from './plan.js';
import type { Rule, Settlement } from './rate-limit-driver.js';

/** What settle.lua is told of each key, after the mark of the operation. */
export function settlementArgs(keys: readonly string[], settlements: readonly Settlement[]): CommandArgument[] {
  return keys.flatMap((key) => {
    const those = settlements.filter((settlement) => settlement.key === key);
    return [those.length, ...those.flatMap(argsOf)];
  });
}

function argsOf({ rule, back, operation, chargedAtUs, resetUs }: Settlement): CommandArgument[] {
  const [kind, endsAt] = [KINDS[rule.kind], chargedAtUs + resetUs];
  return [rule.id, kind, back, operationMark(operation), chargedAtUs, endsAt, widthOf(rule), boundOf(rule)];
}

/** What else a correction depends on. */
function boundOf(rule: Rule): number {
  if (rule.kind === 'gcra') return paceOf(rule.emissionUs);
  return rule.kind === 'slidingLog' ? rule.limit : 0;
}

function widthOf(rule: Rule): number {
  switch (rule.kind) {
    case 'gcra':
      return rule.emissionUs;
    case 'slidingWindow':
      return rule.bucketUs;
    case 'slidingLog':
    case 'fixedWindow':
      return rule.perUs;
    case 'calendar':
    case 'concurrency':
      return 0;
  }
}
