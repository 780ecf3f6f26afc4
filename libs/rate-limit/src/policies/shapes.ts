import { OptionsReader } from '@nuthatch/redis/internal';
import type { Rule } from '../drivers/rate-limit-driver.js';
import { CalendarWindows, isTimeZone } from './calendar-windows.js';
import type { Policy } from './policy.js';

const US_PER_MS = 1_000;
const US_PER_DAY = 86_400_000_000;
const MOST_IN_LOG = 128;
const MOST_BUCKETS = 60;
// Counts are stored in four bytes, and times of the far future must stay exact.
const MOST = 1_000_000_000;
const MOST_DAYS = 1_825;
const MOST_TO_FILL_US = 2 ** 52;
const MOST_PLACES = 1_000;
const LEAST_LEASE_MS = 1_000;
const MOST_LEASE_MS = 3_600_000;
const CALENDAR_UNITS = ['minute', 'hour', 'day', 'week', 'month', 'year'] as const;
/** How many days they have as a rule, to be shown. */
const USUAL_DAYS = { minute: 1 / 1_440, hour: 1 / 24, day: 1, week: 7, month: 30, year: 365 };

type Own = 'id' | 'cost' | 'shadow' | 'block' | 'lease';

/** A rule, without what all kinds have. */
export type RuleShape = Rule extends infer R ? (R extends Rule ? Omit<R, Own> : never) : never;

/** What a policy comes to as a rule. */
export interface Shaped {
  readonly shape: RuleShape;
  /** What is shown as its limit. */
  readonly limit: number;
  /** What a single call may cost at most. */
  readonly capacity: number;
  /** How long its window is; undefined for concurrency, which has none. */
  readonly perUs?: number;
  /** The highest limit that a policy like it could have. */
  readonly mostLimit: number;
}

type Shaper = (reader: OptionsReader, path: string, mistakes: string[]) => Shaped;

/** Reads what the kinds of policies have of their own. */
export const SHAPES: Record<Policy['kind'], Shaper> = {
  gcra(reader, path, mistakes) {
    const limit = count(reader, 'limit', path, mistakes);
    const perUs = microseconds(reader, path, mistakes);
    const burst = count(reader, 'burst', path, mistakes, Math.max(1, limit));
    const shape = bucket({ perUs, each: 'limit', rate: limit, burst }, path, mistakes);
    return { shape, limit, capacity: burst, perUs, mostLimit: Math.min(MOST, perUs) };
  },
  tokenBucket(reader, path, mistakes) {
    const capacity = count(reader, 'capacity', path, mistakes);
    const refill = count(reader, 'refill', path, mistakes);
    const perUs = microseconds(reader, path, mistakes);
    const shape = bucket({ perUs, each: 'refill', rate: refill, burst: capacity }, path, mistakes);
    // In which all of it flows back.
    const fillUs = Math.max(1, Math.round((perUs * capacity) / Math.max(1, refill)));
    return { shape, limit: capacity, capacity, perUs: fillUs, mostLimit: MOST };
  },
  slidingWindow(reader, path, mistakes) {
    const limit = count(reader, 'limit', path, mistakes);
    const perUs = microseconds(reader, path, mistakes);
    const buckets = reader.integer('buckets', 1, 10);
    if (buckets > MOST_BUCKETS)
      mistakes.push(`${path}.buckets is ${buckets}. Give a whole number from 1 to ${MOST_BUCKETS}.`);
    return {
      shape: { kind: 'slidingWindow', limit, bucketUs: Math.ceil(perUs / buckets), buckets },
      limit,
      capacity: limit,
      perUs,
      mostLimit: MOST,
    };
  },
  slidingLog(reader, path, mistakes) {
    const limit = count(reader, 'limit', path, mistakes);
    if (limit > MOST_IN_LOG) {
      mistakes.push(
        `${path}.limit is ${limit}, and a log keeps ${MOST_IN_LOG} calls at most. Use slidingWindow() for more.`,
      );
    }
    const perUs = microseconds(reader, path, mistakes);
    return { shape: { kind: 'slidingLog', limit, perUs }, limit, capacity: limit, perUs, mostLimit: MOST_IN_LOG };
  },
  fixedWindow(reader, path, mistakes) {
    const limit = count(reader, 'limit', path, mistakes);
    const perUs = microseconds(reader, path, mistakes);
    return { shape: { kind: 'fixedWindow', limit, perUs }, limit, capacity: limit, perUs, mostLimit: MOST };
  },
  calendar(reader, path, mistakes) {
    const limit = count(reader, 'limit', path, mistakes);
    const unit = reader.oneOf('unit', CALENDAR_UNITS) ?? 'day';
    const timeZone = reader.optionalText('timeZone') ?? 'UTC';
    const known = isTimeZone(timeZone);
    if (!known) {
      mistakes.push(
        `${path}.timeZone is ${JSON.stringify(timeZone.slice(0, 64))}. Give one of IANA, such as 'Europe/Berlin'.`,
      );
    }
    const calendar = new CalendarWindows(unit, known ? timeZone : 'UTC');
    return {
      shape: { kind: 'calendar', limit, calendar },
      limit,
      capacity: limit,
      perUs: USUAL_DAYS[unit] * US_PER_DAY,
      mostLimit: MOST,
    };
  },
  concurrency(reader, path, mistakes) {
    const limit = reader.integer('max', 1, 0);
    if (limit > MOST_PLACES) mistakes.push(`${path}.max is ${limit}. Give a whole number of ${MOST_PLACES} at most.`);
    const leaseMs = reader.duration('lease', '30s');
    if (leaseMs < LEAST_LEASE_MS || leaseMs > MOST_LEASE_MS)
      mistakes.push(`${path}.lease is ${leaseMs} ms. Give '1s' to '1h'.`);
    return {
      shape: { kind: 'concurrency', limit, leaseUs: leaseMs * US_PER_MS },
      limit,
      capacity: 1,
      mostLimit: MOST_PLACES,
    };
  },
};

function count(reader: OptionsReader, name: string, path: string, mistakes: string[], fallback = 0): number {
  const value = reader.integer(name, 1, fallback);
  if (value > MOST) mistakes.push(`${path}.${name} is ${value}. Give a whole number of ${MOST} at most.`);
  return value;
}

function microseconds(reader: OptionsReader, path: string, mistakes: string[]): number {
  const before = mistakes.length;
  const most = MOST_DAYS * US_PER_DAY;
  const perUs = (reader.optionalDuration('per', undefined) ?? 0) * US_PER_MS;
  if (perUs === 0) mistakes.push(`${path}.per is undefined. Write a length of time with its unit, for example '15m'.`);
  if (perUs > most) mistakes.push(`${path}.per is longer than ${MOST_DAYS} days. Give a shorter one.`);
  // What is wrong here must not make the rate look wrong, too.
  return mistakes.length > before ? most : perUs;
}

interface Bucket {
  readonly perUs: number;
  /** The name of the option that is the rate. */
  readonly each: string;
  readonly rate: number;
  readonly burst: number;
}

function bucket({ perUs, each, rate, burst }: Bucket, path: string, mistakes: string[]): RuleShape {
  const before = mistakes.length;
  if (rate > perUs) {
    mistakes.push(`${path}.${each} is ${rate}, more than one in a microsecond. Lower it, or give a longer "per".`);
  }
  // Rounded up, so that the rate is never exceeded.
  const emissionUs = Math.ceil(perUs / Math.max(1, rate));
  if (mistakes.length === before && rate > 0 && emissionUs * burst > MOST_TO_FILL_US) {
    mistakes.push(`${path} would take more than 142 years to give ${burst} back. Give more per time, or less at once.`);
  }
  return { kind: 'gcra', emissionUs, burst };
}
