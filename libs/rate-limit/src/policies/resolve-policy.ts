import { OptionsReader } from '@nuthatch/redis/internal';
import type { Rule } from '../drivers/rate-limit-driver.js';
import { ruleId } from './rule-id.js';
import type { OutageMode, Policy } from './policy.js';

const US_PER_MS = 1_000;
const US_PER_DAY = 86_400_000_000;
const MOST_IN_LOG = 128;
const MOST_BUCKETS = 60;
// Counts are stored in four bytes, and times of the far future must stay exact.
const MOST = 1_000_000_000;
const MOST_DAYS = 1_825;
const MOST_TO_FILL_US = 2 ** 52;

type RuleShape = Rule extends infer R ? (R extends Rule ? Omit<R, 'id' | 'cost' | 'shadow'> : never) : never;

/** A policy as it is decided, by name. */
export interface ResolvedPolicy {
  readonly name: string;
  /** What is shown as its limit: how much can be had in a window, or at once. */
  readonly limit: number;
  /** What a single call may cost at most. */
  readonly capacity: number;
  /** Of a call that does not say it. */
  readonly cost: number;
  readonly shadow: boolean;
  readonly onOutage: OutageMode;
  readonly id: number;
  readonly shape: RuleShape;
}

/** What `RateLimiter.check` charges. No policy of the options has that name. */
export const CHECK_POLICY = 'check()';

const KINDS = ['gcra', 'tokenBucket', 'slidingWindow', 'slidingLog', 'fixedWindow'] as const;
const MODES = ['enforce', 'shadow'] as const;
const OUTAGE_MODES = ['local', 'open', 'closed'] as const;

/** @param mistakes where what is wrong is noted, to be told all at once */
export function resolvePolicy(
  name: string,
  raw: Policy,
  path: string,
  onOutage: OutageMode,
  mistakes: string[],
): ResolvedPolicy | undefined {
  const before = mistakes.length;
  const reader = new OptionsReader(raw, path, mistakes);
  if (mistakes.length > before) return undefined;
  const kind = reader.oneOf('kind', KINDS);
  if (!kind) return undefined;
  const { shape, limit, capacity } = SHAPES[kind](reader, path, mistakes);
  const cost = reader.integer('cost', 1, 1);
  const shadow = reader.oneOf('mode', MODES, 'enforce') === 'shadow';
  const mode = reader.oneOf('onOutage', OUTAGE_MODES, onOutage) ?? onOutage;
  reader.rejectUnknown();
  if (mistakes.length > before) return undefined;
  if (cost > capacity) {
    mistakes.push(
      `${path}.cost is ${cost}, more than the ${capacity} that can be had at once. Lower it, or raise that.`,
    );
    return undefined;
  }
  return { name, limit, capacity, cost, shadow, onOutage: mode, id: ruleId(kind, name), shape };
}

interface Shaped {
  readonly shape: RuleShape;
  readonly limit: number;
  readonly capacity: number;
}

const SHAPES: Record<Policy['kind'], (reader: OptionsReader, path: string, mistakes: string[]) => Shaped> = {
  gcra(reader, path, mistakes) {
    const limit = count(reader, 'limit', path, mistakes);
    const perUs = microseconds(reader, path, mistakes);
    const burst = count(reader, 'burst', path, mistakes, Math.max(1, limit));
    const shape = bucket({ perUs, each: 'limit', rate: limit, burst }, path, mistakes);
    return { shape, limit, capacity: burst };
  },
  tokenBucket(reader, path, mistakes) {
    const capacity = count(reader, 'capacity', path, mistakes);
    const refill = count(reader, 'refill', path, mistakes);
    const perUs = microseconds(reader, path, mistakes);
    const shape = bucket({ perUs, each: 'refill', rate: refill, burst: capacity }, path, mistakes);
    return { shape, limit: capacity, capacity };
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
    };
  },
  slidingLog(reader, path, mistakes) {
    const limit = count(reader, 'limit', path, mistakes);
    if (limit > MOST_IN_LOG) {
      mistakes.push(
        `${path}.limit is ${limit}, and a log keeps ${MOST_IN_LOG} calls at most. Use slidingWindow() for more.`,
      );
    }
    return {
      shape: { kind: 'slidingLog', limit, perUs: microseconds(reader, path, mistakes) },
      limit,
      capacity: limit,
    };
  },
  fixedWindow(reader, path, mistakes) {
    const limit = count(reader, 'limit', path, mistakes);
    return {
      shape: { kind: 'fixedWindow', limit, perUs: microseconds(reader, path, mistakes) },
      limit,
      capacity: limit,
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
