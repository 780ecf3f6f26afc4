import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseBytes } from './byte-size.js';

describe('A size', () => {
  it.each([
    ['512B', 512],
    ['16KB', 16_384],
    ['64MB', 67_108_864],
    ['1GB', 1_073_741_824],
    ['1.5KB', 1_536],
    [' 1KB ', 1_024],
  ])('written as "%s" is %d bytes', (text, bytes) => {
    expect(parseBytes(text, 'maxBytes')).toBe(bytes);
  });

  it('grows by 1024 from each unit to the next', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), (count) => {
        const [b, kb, mb, gb] = ['B', 'KB', 'MB', 'GB'].map((unit) => parseBytes(`${count}${unit}`, 'maxBytes'));

        expect([kb, mb, gb]).toEqual([b! * 1_024, kb! * 1_024, mb! * 1_024]);
      }),
    );
  });

  it.each([
    [1_024, '1024'],
    ['1024', '"1024"'],
    ['16kb', '"16kb"'],
    ['16 KB', '"16 KB"'],
    ['1TB', '"1TB"'],
    ['0B', '"0B"'],
    ['0.4B', '"0.4B"'],
    ['-1KB', '"-1KB"'],
    ['9000000000GB', '"9000000000GB"'],
    ['', '""'],
    [null, 'null'],
    [undefined, 'undefined'],
    [Number.NaN, 'NaN'],
  ])('that is %p is an error that shows the fix', (value, shown) => {
    const message = `maxBytes is ${shown}. Write a positive number with its unit, for example '16KB' or '64MB'.`;

    expect(() => parseBytes(value, 'maxBytes')).toThrow(new RangeError(message));
  });
});
