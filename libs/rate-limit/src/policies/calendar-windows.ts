import type { CalendarOptions } from './policy.js';

export type CalendarUnit = CalendarOptions['unit'];

/** A period and the end of the next, in whole microseconds since 1970. */
export interface CalendarPeriod {
  readonly startUs: number;
  readonly endUs: number;
  readonly nextEndUs: number;
}

const US_PER_MS = 1_000;
const MS_PER_SECOND = 1_000;
const MS_PER_MINUTE = 60_000;
const MS_PER_HOUR = 3_600_000;
const DAYS_PER_WEEK = 7;
// No clock is further from UTC.
const FURTHEST_MS = 16 * MS_PER_HOUR;

/**
 * The periods of a calendar in a time zone. They cover time without a gap, and never overlap.
 *
 * A day begins when its date is first reached: at midnight, or where the clock skips that, as it is set forward. A clock that
 * is set back does not begin a day again. So days have 23 or 25 hours where the clock is set, and a day that a zone has
 * skipped is none. An hour that a clock runs through twice is two.
 */
export class CalendarWindows {
  readonly #periods: Periods;
  #current: CalendarPeriod | undefined;

  /** @throws RangeError for a time zone that is none; see {@link isTimeZone} */
  constructor(unit: CalendarUnit, timeZone: string) {
    const clock = new WallClock(timeZone);
    this.#periods =
      unit === 'minute' || unit === 'hour'
        ? new ShortPeriods(clock, unit === 'minute' ? MS_PER_MINUTE : MS_PER_HOUR)
        : new DatePeriods(clock, unit);
  }

  /** The period that holds a moment. */
  around(nowUs: number): CalendarPeriod {
    const current = this.#current;
    if (current && current.startUs <= nowUs && nowUs < current.endUs) return current;
    const nowMs = Math.floor(nowUs / US_PER_MS);
    const start = this.#periods.startOf(nowMs);
    const end = this.#periods.endOf(nowMs);
    const nextEnd = this.#periods.endOf(end);
    this.#current = { startUs: start * US_PER_MS, endUs: end * US_PER_MS, nextEndUs: nextEnd * US_PER_MS };
    return this.#current;
  }
}

/** Whether it is a name of the IANA database, such as `'Europe/Berlin'` or `'UTC'`. */
export function isTimeZone(name: unknown): boolean {
  // Newer versions of Node take offsets, too, and all instances must see the same.
  if (typeof name !== 'string' || !/^[A-Za-z]/.test(name)) return false;
  try {
    return Number.isFinite(new WallClock(name).offsetAt(0));
  } catch {
    return false;
  }
}

/** In milliseconds. */
interface Periods {
  /** When the period that holds a moment began. */
  startOf(ms: number): number;
  /** When the period that holds a moment ends, which is no part of it. */
  endOf(ms: number): number;
}

/** Minutes and hours: they begin whenever the clock shows a whole one, and where it is set over one. */
class ShortPeriods implements Periods {
  constructor(
    private readonly clock: WallClock,
    private readonly lengthMs: number,
  ) {}

  startOf(ms: number): number {
    const offset = this.clock.offsetAt(ms);
    const start = this.#floor(ms + offset) - offset;
    const change = this.clock.changeIn(start, ms);
    if (change === undefined) return start;
    return this.#begins(change) ? change : this.startOf(change - 1);
  }

  endOf(ms: number): number {
    const offset = this.clock.offsetAt(ms);
    const end = this.#floor(ms + offset) + this.lengthMs - offset;
    const change = this.clock.changeIn(ms, end);
    if (change === undefined) return end;
    return this.#begins(change) ? change : this.endOf(change);
  }

  /** Whether a period begins where the clock is set. */
  #begins(change: number): boolean {
    const wall = this.clock.wallAt(change);
    const before = this.clock.wallAt(change - 1);
    return this.#floor(wall) === wall || this.#floor(wall) > this.#floor(before);
  }

  #floor(wall: number): number {
    return Math.floor(wall / this.lengthMs) * this.lengthMs;
  }
}

/** Days and what is made of them. */
class DatePeriods implements Periods {
  constructor(
    private readonly clock: WallClock,
    private readonly unit: Exclude<CalendarUnit, 'minute' | 'hour'>,
  ) {}

  startOf(ms: number): number {
    return this.clock.firstAt(this.#periodAt(ms));
  }

  endOf(ms: number): number {
    return this.clock.firstAt(this.#after(this.#periodAt(ms)));
  }

  /** As the wall time of its first midnight. */
  #periodAt(ms: number): number {
    let period = this.#floor(this.clock.wallAt(ms));
    // A clock that was set back over midnight shows the date before once more.
    while (this.clock.firstAt(this.#after(period)) <= ms) period = this.#after(period);
    return period;
  }

  #floor(wall: number): number {
    const date = new Date(wall);
    const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
    if (this.unit === 'year') return Date.UTC(year);
    if (this.unit === 'month') return Date.UTC(year, month);
    const sinceMonday = (date.getUTCDay() + DAYS_PER_WEEK - 1) % DAYS_PER_WEEK;
    return Date.UTC(year, month, this.unit === 'week' ? day - sinceMonday : day);
  }

  #after(period: number): number {
    const date = new Date(period);
    const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
    if (this.unit === 'year') return Date.UTC(year + 1);
    if (this.unit === 'month') return Date.UTC(year, month + 1);
    return Date.UTC(year, month, day + (this.unit === 'week' ? DAYS_PER_WEEK : 1));
  }
}

/** What clocks show in a time zone. A wall time is the moment at which a clock in UTC shows the same. */
class WallClock {
  readonly #format: Intl.DateTimeFormat;

  constructor(timeZone: string) {
    const numeric = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric' } as const;
    const options = { ...numeric, minute: 'numeric', second: 'numeric', hourCycle: 'h23', timeZone } as const;
    this.#format = new Intl.DateTimeFormat('en-US', options);
  }

  wallAt(ms: number): number {
    return ms + this.offsetAt(ms);
  }

  offsetAt(ms: number): number {
    const at: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
    for (const { type, value } of this.#format.formatToParts(ms)) at[type] = Number(value);
    const wall = Date.UTC(at.year!, at.month! - 1, at.day, at.hour, at.minute, at.second);
    return wall - Math.floor(ms / MS_PER_SECOND) * MS_PER_SECOND;
  }

  /** When clocks are set, later than `from` and not later than `to`. Nowhere are they set twice within two days. */
  changeIn(from: number, to: number): number | undefined {
    const before = this.offsetAt(from);
    if (this.offsetAt(to) === before) return undefined;
    let [earlier, later] = [from, to];
    while (later - earlier > 1) {
      const between = Math.floor((earlier + later) / 2);
      if (this.offsetAt(between) === before) earlier = between;
      else later = between;
    }
    return later;
  }

  /** When clocks first show a wall time, or, if they skip it, what comes after it. */
  firstAt(wall: number): number {
    const [from, to] = [wall - FURTHEST_MS, wall + FURTHEST_MS];
    const change = this.changeIn(from, to);
    const first = wall - this.offsetAt(from);
    return change === undefined || first < change ? first : Math.max(change, wall - this.offsetAt(to));
  }
}
