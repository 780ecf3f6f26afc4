import { describe, expect, it } from '@jest/globals';
import { quote } from './quote.js';

const unit = (code: number): string => String.fromCodePoint(code);

describe('A key in a message', () => {
  it('is in quotes, as it was written', () => {
    expect(quote('order:42/ä€😀 "x"')).toBe('"order:42/ä€😀 \\"x\\""');
  });

  it.each([
    ['a new line', 0x0a, '\\n'],
    ['an escape of a terminal', 0x1b, '\\u001b'],
    ['a control of C1', 0x9b, '\\u009b'],
    ['delete', 0x7f, '\\u007f'],
    ['what turns text round', 0x202e, '\\u202e'],
    ['a space of no width', 0x200b, '\\u200b'],
    ['a mark of byte order', 0xfeff, '\\ufeff'],
    ['the end of a line', 0x2028, '\\u2028'],
    ['the end of a paragraph', 0x2029, '\\u2029'],
    ['a tag, which is two units', 0xe0041, '\\udb40\\udc41'],
  ])('shows %s by its number', (_, code, shown) => {
    expect(quote(`a${unit(code)}b`)).toBe(`"a${shown}b"`);
    expect(JSON.parse(quote(`a${unit(code)}b`))).toBe(`a${unit(code)}b`);
  });

  it('is shown up to a hundred characters', () => {
    expect(quote('k'.repeat(100))).toBe(`"${'k'.repeat(100)}"`);
    expect(quote('k'.repeat(101))).toBe(`"${'k'.repeat(100)}..."`);
    expect(quote(`${'k'.repeat(99)}😀`)).toBe(`"${'k'.repeat(99)}\\ud83d..."`);
  });
});
