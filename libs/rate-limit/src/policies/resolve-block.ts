import { OptionsReader } from '@nuthatch/redis/internal';
import type { Block } from '../drivers/rate-limit-driver.js';
import type { PolicyOptions } from './policy.js';

const US_PER_MS = 1_000;
const MOST_FACTOR = 100;
const MOST_MS = 31_536_000_000;

/** A length of time alone is a block that is always as long. */
export function resolveBlock(
  reader: OptionsReader,
  raw: PolicyOptions['block'],
  path: string,
  mistakes: string[],
): Block | undefined {
  if (raw === undefined) {
    reader.ignore('block');
    return undefined;
  }
  if (typeof raw === 'string') {
    const baseUs = within(reader.duration('block', raw), `${path}.block`, mistakes);
    return { baseUs, factor: 1, mostUs: baseUs, decayUs: 0 };
  }
  const nested = reader.nested('block');
  const base = nested.optionalDuration('base', undefined) ?? 0;
  if (base <= 0) mistakes.push(`${path}.block.base is no length of time. Write one with its unit, for example '1m'.`);
  const factor = nested.integer('factor', 1, 2);
  const most = nested.duration('max', '1d');
  const decay = nested.duration('decay', `${most}ms`);
  nested.rejectUnknown();
  if (factor > MOST_FACTOR)
    mistakes.push(`${path}.block.factor is ${factor}. Give a whole number from 1 to ${MOST_FACTOR}.`);
  if (base > most) mistakes.push(`${path}.block.base is longer than max. Give a shorter one, or raise max.`);
  return {
    baseUs: within(base, `${path}.block.base`, mistakes),
    factor,
    mostUs: within(most, `${path}.block.max`, mistakes),
    decayUs: within(decay, `${path}.block.decay`, mistakes),
  };
}

function within(ms: number, path: string, mistakes: string[]): number {
  if (ms > MOST_MS) mistakes.push(`${path} is longer than a year. Give a shorter one.`);
  return Math.min(ms, MOST_MS) * US_PER_MS;
}
