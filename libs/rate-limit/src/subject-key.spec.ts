import { describe, expect, it } from '@jest/globals';
import { RateLimitCallError } from './rate-limit.errors.js';
import { subjectKey } from './subject-key.js';

const ROOT = 'app:limit:';
const keyOf = (subject: string): string => subjectKey(ROOT, subject);

describe('The key of a subject', () => {
  it('is the subject itself, as the hash tag', () => {
    expect(keyOf('user-42')).toBe('app:limit:{user-42}');
    expect(keyOf('Zoë')).toBe('app:limit:{Zoë}');
  });

  it('has no characters that mean something else in Redis', () => {
    expect(keyOf('ip:::1')).toBe('app:limit:{ip%3A%3A%3A1}');
    expect(keyOf('a}b{c')).toBe('app:limit:{a%7Db%7Bc}');
    expect(keyOf('50%*?\n ')).toBe('app:limit:{50%25%2A%3F%0A%20}');
  });

  it('stays short, however long the subject is', () => {
    expect(keyOf('x'.repeat(128))).toBe(`app:limit:{${'x'.repeat(128)}}`);
    for (const length of [129, 10_240, 1_000_000]) {
      expect(keyOf('x'.repeat(length))).toMatch(/^app:limit:\{%sha256:[\w-]{43}\}$/);
    }
  });

  it('takes text that is not well-formed', () => {
    expect(keyOf('\uD800')).toMatch(/^app:limit:\{%sha256:[\w-]{43}\}$/);
    expect(keyOf('😀')).toBe('app:limit:{😀}');
  });

  it('is the same for the same subject', () => {
    for (const subject of ['a', 'a:b', 'x'.repeat(500), '\uDC00']) expect(keyOf(`${subject}`)).toBe(keyOf(subject));
  });

  it('is never shared by two subjects, whoever chose them', () => {
    const long = 'x'.repeat(10_240);
    const hashed = keyOf(long).slice(ROOT.length + 1, -1);
    const subjects = [
      'a',
      'A',
      ' a',
      'a ',
      'a:b',
      'a%3Ab',
      'a%3ab',
      'a%253Ab',
      '{a}',
      '}',
      '%',
      '%25',
      'é',
      'e\u0301',
      '\uFFFD',
      '\uD800',
      '\uD801',
      '\uDBFF',
      '\uDC00',
      '\uD800\uD800',
      '\uDC00\uD800',
      '\uD800a',
      'a\uD800',
      '\u0000',
      '00',
      long,
      `${long}x`,
      `${long.slice(1)}y`,
      'x'.repeat(128),
      'x'.repeat(129),
      `${'x'.repeat(128)}\uD800`,
      `${'é'.repeat(200)}`,
      `${'e\u0301'.repeat(200)}`,
      `${long}\uD800`,
      `${long}\uD801`,
      `${long}\uFFFD`,
      hashed,
      hashed.slice(1),
      `%25${hashed.slice(1)}`,
    ];

    expect(new Set(subjects.map(keyOf)).size).toBe(new Set(subjects).size);
    expect(new Set(subjects).size).toBe(subjects.length);
  });

  it.each([
    ['', 'empty'],
    [undefined, 'of type undefined'],
    [null, 'of type object'],
    [42, 'of type number'],
    [['a'], 'of type object'],
  ])('is not made for %p', (subject, shown) => {
    expect(() => keyOf(subject as string)).toThrow(
      new RateLimitCallError(`The subject of a rate limit is ${shown}. Give who is limited, such as "user:42".`),
    );
  });
});
