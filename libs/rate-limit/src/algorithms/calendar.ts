import type { CalendarRule } from '../drivers/rate-limit-driver.js';
import type { Evaluation } from './algorithm.js';
import { countInWindow, type FixedWindowState } from './fixed-window.js';

/** A fixed window whose end the calendar says. */
export function evaluateCalendar(
  { limit, calendar, cost }: CalendarRule,
  state: FixedWindowState | undefined,
  nowUs: number,
): Evaluation<FixedWindowState> {
  return countInWindow(limit, cost, state, nowUs, calendar.around(nowUs).endUs);
}
