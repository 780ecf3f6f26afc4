import { OptionsReader } from '@nuthatch/redis/internal';
import type { IpPrefix, IpPrefixes } from './ip-networks.js';

/** By which networks policies `by: 'ip'` limit. Each prefix length says how many times the limit its networks have. */
export interface IpOptions {
  /** Prefix lengths from 8 to 32: `{ 32: 1, 24: 32 }`. @default { 32: 1 } */
  v4?: Readonly<Record<number, number>>;
  /**
   * Prefix lengths from 16 to 128. Who has one IPv6 address has a whole /64 of them, and often a /48. All of them are charged
   * by each call, in the same trip. @default { 64: 1, 48: 16 }
   */
  v6?: Readonly<Record<number, number>>;
}

const DEFAULT_V4 = { 32: 1 };
const DEFAULT_V6 = { 64: 1, 48: 16 };
const MOST_TIMES = 1_000_000;

/** @param mistakes where what is wrong is noted, to be told all at once */
export function resolveIpOptions(raw: unknown, path: string, mistakes: string[]): IpPrefixes {
  const reader = new OptionsReader(raw ?? {}, path, mistakes);
  const resolved = {
    v4: readPrefixes(reader.entries('v4', DEFAULT_V4), `${path}.v4`, [8, 32], mistakes),
    v6: readPrefixes(reader.entries('v6', DEFAULT_V6), `${path}.v6`, [16, 128], mistakes),
  };
  reader.rejectUnknown();
  return resolved;
}

function readPrefixes(
  entries: readonly [string, unknown][],
  path: string,
  [least, most]: readonly [number, number],
  mistakes: string[],
): IpPrefix[] {
  const prefixes: IpPrefix[] = [];
  for (const [length, times] of entries) {
    const bits = Number(length);
    const isLength = Number.isInteger(bits) && String(bits) === length && bits >= least && bits <= most;
    if (!isLength) {
      mistakes.push(
        `${path} has the prefix length ${JSON.stringify(length)}. Give whole numbers from ${least} to ${most}.`,
      );
    } else if (!Number.isInteger(times) || (times as number) < 1 || (times as number) > MOST_TIMES) {
      const shown = typeof times === 'number' ? String(times) : `of type ${typeof times}`;
      mistakes.push(`${path}.${length} is ${shown}. Give how many times the limit it is, from 1 to ${MOST_TIMES}.`);
    } else prefixes.push({ bits, times: times as number });
  }
  prefixes.sort((a, b) => b.bits - a.bits);
  for (const [index, { bits, times }] of prefixes.entries()) {
    const narrower = prefixes[index - 1];
    if (narrower === undefined || times >= narrower.times) continue;
    mistakes.push(
      `${path}.${bits} is ${times}, less than the ${narrower.times} of the narrower ${narrower.bits}, which could then ` +
        'never be reached. Give the wider network at least as much.',
    );
  }
  return prefixes;
}
