import type { Rule } from './drivers/rate-limit-driver.js';

/** What one of so many processes may give of a rule by itself; at least what one call costs. */
export function shareOf(rule: Rule, processes: number): Rule {
  const part = (whole: number): number => Math.max(rule.cost, Math.floor(whole / processes));
  switch (rule.kind) {
    case 'gcra':
      return { ...rule, emissionUs: rule.emissionUs * processes, burst: part(rule.burst) };
    case 'fixedWindow':
    case 'slidingWindow':
    case 'slidingLog':
    case 'calendar':
    case 'concurrency':
      return { ...rule, limit: part(rule.limit) };
  }
}
