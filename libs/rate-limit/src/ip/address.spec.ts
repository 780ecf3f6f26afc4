import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { normalizeAddress } from './address.js';

describe('An address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    [' 192.0.2.1 ', '192.0.2.1'],
    ['192.0.2.1:8080', '192.0.2.1'],
    ['[192.0.2.1]:8080', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:C000:0201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['[::ffff:192.0.2.1]:443', '192.0.2.1'],
    ['::ffff:255.254.1.0', '255.254.1.0'],
    ['64:ff9b::192.0.2.1', '192.0.2.1'],
    ['2001:db8::1', '2001:db8::1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:0db8:0000::0001', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:65535', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['[fe80::1%25eth0]:80', 'fe80::1'],
    ['fe80::1%br_lan', 'fe80::1'],
    ['::ffff:192.0.2.1%eth0', '192.0.2.1'],
    ['::', '::'],
    ['::1', '::1'],
    ['64:ff9b:1::192.0.2.1', '64:ff9b:1::c000:201'],
    ['1::ffff:192.0.2.1', '1::ffff:c000:201'],
  ])('%p is %p', (text, address) => {
    expect(normalizeAddress(text)).toBe(address);
  });

  it.each([
    '',
    ' ',
    'unknown',
    'localhost',
    '_hidden',
    '192.0.2',
    '192.0.2.1.5',
    '192.0.2.256',
    '192.0.2.01',
    '0x7f.0.0.1',
    '2130706433',
    '192.0.2.1/24',
    '192.0.2.1, 192.0.2.2',
    '192.0.2.1:port',
    '192.0.2.1:123456',
    '[192.0.2.1',
    '2001:db8::1::2',
    '2001:db8::1/64',
    '[2001:db8::1]x',
    '12345::',
    ':::',
    '%eth0',
    '1:2:3:4:5:6:7:8:9',
    `${'0'.repeat(10_000)}::1`,
    `::1%${'x'.repeat(10_000)}`,
  ])('is not %p', (text) => {
    expect(normalizeAddress(text)).toBeUndefined();
  });

  it('has one text, however its parts are written', () => {
    const part = fc.oneof(fc.constantFrom(0, 0, 1, 0xff_ff), fc.nat(0xff_ff));
    fc.assert(
      fc.property(fc.array(part, { minLength: 8, maxLength: 8 }), fc.boolean(), (parts, upper) => {
        const long = parts.map((value) => value.toString(16).padStart(4, '0')).join(':');
        const normal = normalizeAddress(upper ? long.toUpperCase() : long)!;

        // The parser of URLs writes them by RFC 5952, too.
        const url = new URL(`http://[${long}]`).hostname.slice(1, -1);
        if (normal.includes(':')) expect(normal).toBe(url);
        else expect(parts.slice(6)).toEqual(partsOf(normal));
        expect(normalizeAddress(normal)).toBe(normal);
      }),
    );
  });

  it('may be any text at all', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[\d.:a-f%[\]]{0,45}$/));
    fc.assert(
      fc.property(text, (anything) => {
        const address = normalizeAddress(anything);

        if (address !== undefined) expect(normalizeAddress(address)).toBe(address);
      }),
      { numRuns: 2_000 },
    );
  });
});

function partsOf(ipv4: string): number[] {
  const [a, b, c, d] = ipv4.split('.').map(Number);
  return [a! * 256 + b!, c! * 256 + d!];
}
