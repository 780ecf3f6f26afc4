import { describe, expect, it } from '@jest/globals';
import { escapeGlob } from '@nuthatch/redis/internal';
import fc from 'fast-check';
import { globPattern } from './glob.js';

describe('A glob of Redis', () => {
  it.each<[glob: string, matches: string[], others: string[]]>([
    ['user:1', ['user:1'], ['user:12', 'xuser:1', 'user.1']],
    ['*', ['', 'a', 'a\nb:c'], []],
    ['**', ['', 'abc'], []],
    ['a*', ['a', 'abc', 'a\n'], ['', 'ba']],
    ['a*c', ['ac', 'abc', 'acc'], ['acb']],
    ['a?c', ['abc', 'a\nc'], ['ac', 'abbc']],
    ['a.c', ['a.c'], ['abc']],
    ['a+(b)|c$', ['a+(b)|c$'], ['ab', 'c']],
    ['[abc]', ['a', 'b', 'c'], ['d', '', 'ab']],
    ['[a-c]x', ['ax', 'bx', 'cx'], ['dx', '-x']],
    ['[c-a]', ['a', 'b', 'c'], ['d', '-']],
    ['[^a-c]', ['d', '^', '-'], ['a', 'b', 'c', '']],
    ['[a^]', ['a', '^'], ['b']],
    ['[\\]]', [']'], ['\\', '[']],
    ['[\\^a]', ['^', 'a'], ['b', '\\']],
    ['[\\-z]', ['-', 'z'], ['a']],
    ['[a-]', ['a', '_'], ['-', 'b']],
    ['[a-]x]', ['a', ']', 'x'], ['ax', '-', 'b']],
    ['[X-\\]', ['X', 'Y', '\\'], ['a', ']', '-']],
    ['[.$]', ['.', '$'], ['a']],
    ['[]', [], ['', 'a', '[]']],
    ['[^]', ['a', ']'], ['']],
    ['[ab', ['a', 'b'], ['c', '[ab']],
    ['\\*', ['*'], ['a', '\\*', '']],
    ['\\?a\\[', ['?a['], ['xa[']],
    ['\\\\', ['\\'], ['\\\\']],
    ['a\\', ['a\\'], ['a']],
    ['é?', ['éa'], ['ea']],
    ['', [''], ['a']],
  ])('%p matches what Redis says that it matches', (glob, matches, others) => {
    const pattern = globPattern(glob);

    expect(matches.filter((text) => !pattern.test(text))).toEqual([]);
    expect(others.filter((text) => pattern.test(text))).toEqual([]);
  });

  it('that is escaped matches its text, and nothing else', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (text, other) => {
        const pattern = globPattern(escapeGlob(text));

        expect(pattern.test(text)).toBe(true);
        expect(pattern.test(other)).toBe(other === text);
      }),
    );
  });

  it('is a pattern, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'[]^-\\*?ab/(){}') }),
        (glob) => globPattern(glob) instanceof RegExp,
      ),
    );
  });
});
