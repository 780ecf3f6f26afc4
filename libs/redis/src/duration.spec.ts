import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseDuration } from './duration.js';

describe('A duration', () => {
  it.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['15m', 900_000],
    ['12h', 43_200_000],
    ['7d', 604_800_000],
    ['1.5s', 1_500],
    ['0.5m', 30_000],
    ['1.4ms', 1],
    [' 30s ', 30_000],
  ])('written as "%s" is %d milliseconds', (text, ms) => {
    expect(parseDuration(text, 'ttl')).toBe(ms);
  });

  it('of any whole number of seconds is a thousand times as many milliseconds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000_000 }), (seconds) => {
        expect(parseDuration(`${seconds}s`, 'ttl')).toBe(seconds * 1_000);
      }),
    );
  });

  it.each([
    [300, "ttl is 300. Write the unit: '300ms'."],
    [60_000, "ttl is 60000. Write the unit: '60000ms' (or '60s')."],
    ['5000', `ttl is "5000". Write the unit: '5000ms' (or '5s').`],
  ])('that is the bare number %p is an error that shows the fix', (value, message) => {
    expect(() => parseDuration(value, 'ttl')).toThrow(new RangeError(message));
  });

  it.each([
    ['', '""'],
    ['soon', '"soon"'],
    ['0s', '"0s"'],
    ['0.4ms', '"0.4ms"'],
    ['-5s', '"-5s"'],
    ['5 s', '"5 s"'],
    ['5S', '"5S"'],
    ['5min', '"5min"'],
    ['1e3s', '"1e3s"'],
    ['\u0663s', '"\u0663s"'],
    ['1h30m', '"1h30m"'],
    ['200000000000000d', '"200000000000000d"'],
    [0, '0'],
    [-1_000, '-1000'],
    [Number.NaN, 'NaN'],
    [Infinity, 'Infinity'],
    [null, 'null'],
    [undefined, 'undefined'],
    [true, 'of type boolean'],
    [{ seconds: 5 }, 'of type object'],
    [Object.create(null), 'of type object'],
  ])('that is %p is an error with examples', (value, shown) => {
    const message = `ttl is ${shown}. Write a positive number with its unit, for example '250ms', '30s', '15m', '12h' or '7d'.`;

    expect(() => parseDuration(value, 'ttl')).toThrow(new RangeError(message));
  });

  it('that is far too long a text is not repeated in full', () => {
    expect(() => parseDuration('x'.repeat(10_000), 'ttl')).toThrow(new RegExp(`^ttl is "x{40}"\\. .{1,100}$`));
  });
});
