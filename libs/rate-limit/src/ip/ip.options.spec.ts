import { describe, expect, it } from '@jest/globals';
import { resolveIpOptions } from './ip.options.js';

const USUAL_V4 = [{ bits: 32, times: 1 }];
const USUAL_V6 = [
  { bits: 64, times: 1 },
  { bits: 48, times: 16 },
];

describe('The option ip', () => {
  it('limits IPv4 by address, and IPv6 by /64 and /48', () => {
    for (const raw of [undefined, {}])
      expect(resolve(raw)).toEqual({ resolved: { v4: USUAL_V4, v6: USUAL_V6 }, mistakes: [] });
  });

  it('takes other networks, and sorts them', () => {
    expect(resolve({ v4: { 24: 32, 32: 1 } })).toEqual({
      resolved: {
        v4: [
          { bits: 32, times: 1 },
          { bits: 24, times: 32 },
        ],
        v6: USUAL_V6,
      },
      mistakes: [],
    });
    expect(resolve({ v4: { 8: 1, 32: 1 }, v6: { 16: 1_000_000, 128: 1 } }).mistakes).toEqual([]);
  });

  it.each<[unknown, string[]]>([
    [5, ['options.ip is of type number. Give an object.']],
    [{ v5: { 1: 1 } }, ['options.ip.v5 is not an option. Known here: v4, v6.']],
    [{ v4: {} }, ['options.ip.v4 is of type object without entries. Give at least one entry by name.']],
    [{ v4: { 7: 1 } }, ['options.ip.v4 has the prefix length "7". Give whole numbers from 8 to 32.']],
    [{ v4: { 33: 1 } }, ['options.ip.v4 has the prefix length "33". Give whole numbers from 8 to 32.']],
    [{ v6: { 15: 1 } }, ['options.ip.v6 has the prefix length "15". Give whole numbers from 16 to 128.']],
    [{ v6: { 129: 1 } }, ['options.ip.v6 has the prefix length "129". Give whole numbers from 16 to 128.']],
    [{ v6: { '48.5': 1 } }, ['options.ip.v6 has the prefix length "48.5". Give whole numbers from 16 to 128.']],
    [{ v6: { '064': 1 } }, ['options.ip.v6 has the prefix length "064". Give whole numbers from 16 to 128.']],
    [{ v6: { sixty: 1 } }, ['options.ip.v6 has the prefix length "sixty". Give whole numbers from 16 to 128.']],
    [{ v4: { 32: 0 } }, ['options.ip.v4.32 is 0. Give how many times the limit it is, from 1 to 1000000.']],
    [{ v4: { 32: 1.5 } }, ['options.ip.v4.32 is 1.5. Give how many times the limit it is, from 1 to 1000000.']],
    [{ v4: { 32: 1e7 } }, ['options.ip.v4.32 is 10000000. Give how many times the limit it is, from 1 to 1000000.']],
    [
      { v4: { 32: '1' } },
      ['options.ip.v4.32 is of type string. Give how many times the limit it is, from 1 to 1000000.'],
    ],
    [
      { v6: { 64: 16, 48: 1 } },
      [
        'options.ip.v6.48 is 1, less than the 16 of the narrower 64, which could then never be reached. ' +
          'Give the wider network at least as much.',
      ],
    ],
  ])('refuses %j', (raw, mistakes) => {
    expect(resolve(raw).mistakes).toEqual(mistakes);
  });

  it('tells all mistakes at once', () => {
    expect(resolve({ v4: { 4: 1, 32: -1 }, v6: { 8: 1 }, v7: 1 }).mistakes).toHaveLength(4);
  });
});

function resolve(raw: unknown): { resolved: unknown; mistakes: string[] } {
  const mistakes: string[] = [];
  return { resolved: resolveIpOptions(raw, 'options.ip', mistakes), mistakes };
}
