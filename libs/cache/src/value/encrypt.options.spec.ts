import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { readEncryptOption } from './encrypt.options.js';
import { KeyRing } from './key-ring.js';

const PATH = 'options.encrypt';
const KEY = Buffer.from('s3cret-key-of-thirty-two-bytes!!');
const FIX = "Give 32 bytes as a Buffer: Buffer.from(text, 'base64') of what `openssl rand -base64 32` prints.";

const mistakesIn = (raw: unknown): string[] => {
  const mistakes: string[] = [];
  expect(readEncryptOption(raw, PATH, mistakes)).toBe(false);
  return mistakes;
};

describe('The option encrypt', () => {
  it('is off unless it is given', () => {
    expect(mistakesIn(undefined)).toEqual([]);
    expect(mistakesIn(false)).toEqual([]);
  });

  it('takes keys by their ids, of which one is in use', () => {
    const mistakes: string[] = [];
    const keys = { '2025': randomBytes(32), 'team-a_2026.1': KEY };

    const resolved = readEncryptOption({ keys, use: 'team-a_2026.1' }, PATH, mistakes);

    expect(mistakes).toEqual([]);
    expect(resolved).toBeInstanceOf(KeyRing);
    expect(resolved).toMatchObject({ use: 'team-a_2026.1' });
    expect((resolved as KeyRing).has('2025')).toBe(true);
    expect((resolved as KeyRing).has('2024')).toBe(false);
  });

  it('keeps keys of its own, so that the buffers may be cleared', () => {
    const key = Buffer.from(KEY);
    const resolved = readEncryptOption({ keys: { a: key }, use: 'a' }, PATH, []) as KeyRing;
    const sealed = resolved.seal('text', 'key', 'k=a');

    key.fill(0);

    expect(resolved.open('a', sealed, 'key', 'k=a').toString()).toBe('text');
    expect(resolved.open('a', resolved.seal('text', 'key', 'k=a'), 'key', 'k=a').toString()).toBe('text');
  });

  it('may have an id that is the name of a property of every object', () => {
    const keys = JSON.parse('{"__proto__":1,"constructor":1}', (_, value: unknown) =>
      value === 1 ? KEY : value,
    ) as object;

    const resolved = readEncryptOption({ keys, use: '__proto__' }, PATH, []) as KeyRing;

    expect(resolved.has('__proto__')).toBe(true);
    expect(resolved.has('toString')).toBe(false);
  });

  it('does not show its keys', () => {
    const resolved = readEncryptOption({ keys: { a: KEY }, use: 'a' }, PATH, []);

    const shown = inspect(resolved, { depth: Infinity, showHidden: true }) + JSON.stringify(resolved);

    expect(shown).toContain('use');
    for (const secret of ['s3cret', KEY.toString('hex'), KEY.toString('base64'), '73 33 63', '115']) {
      expect(shown).not.toContain(secret);
    }
  });

  it.each([
    ['true', true, ['options.encrypt is of type boolean. Give an object.']],
    ['null', null, ['options.encrypt is null. Give an object.']],
    ['a string', 's3cret', ['options.encrypt is of type string. Give an object.']],
    ['a Buffer', KEY, ["options.encrypt is a Buffer. Give { keys: { '2026': key }, use: '2026' }."]],
    [
      'an empty object',
      {},
      [
        "options.encrypt.keys is missing. Give keys by their ids: { keys: { '2026': key }, use: '2026' }.",
        'options.encrypt.use is missing. Give the id of one of the keys.',
      ],
    ],
    [
      'no keys',
      { keys: {}, use: 'a' },
      ["options.encrypt.keys is empty. Give keys by their ids: { keys: { '2026': key }, use: '2026' }."],
    ],
    [
      'a list of keys',
      { keys: [KEY], use: '0' },
      ["options.encrypt.keys is a list. Give keys by their ids: { keys: { '2026': key }, use: '2026' }."],
    ],
    [
      'one bare key',
      { keys: KEY, use: '0' },
      ["options.encrypt.keys is a Buffer. Give keys by their ids: { keys: { '2026': key }, use: '2026' }."],
    ],
    ['a key as text', { keys: { a: 's3cret' }, use: 'a' }, [`options.encrypt.keys['a'] is of type string. ${FIX}`]],
    ['a key that is missing', { keys: { a: undefined }, use: 'a' }, [`options.encrypt.keys['a'] is missing. ${FIX}`]],
    [
      'a key that is too short',
      { keys: { a: KEY.subarray(1) }, use: 'a' },
      [`options.encrypt.keys['a'] has 31 bytes. ${FIX}`],
    ],
    [
      'an id with a semicolon',
      { keys: { 'a;b': KEY, b: KEY }, use: 'b' },
      [`options.encrypt.keys has the id "a;b". Use letters, digits, ".", "_" and "-", at most 32.`],
    ],
    [
      'an unknown id in use',
      { keys: { a: KEY, b: KEY }, use: 'c' },
      [`options.encrypt.use is "c". Give the id of one of the keys: 'a', 'b'.`],
    ],
    [
      'a number in use',
      { keys: { a: KEY }, use: 5 },
      [`options.encrypt.use is of type number. Give the id of one of the keys: 'a'.`],
    ],
    [
      'an unknown property',
      { keys: { a: KEY }, use: 'a', cipher: 's3cret' },
      ['options.encrypt.cipher is not an option. Known here: keys, use.'],
    ],
  ])('refuses %s and says how to write it, without a byte of a key', (_, raw, mistakes) => {
    expect(mistakesIn(raw)).toEqual(mistakes);
  });

  it('does not quote a key that was put in the place of an id', () => {
    for (const secret of [KEY.toString('hex'), KEY.toString('base64'), KEY.toString('latin1')]) {
      const mistakes = mistakesIn({ keys: { [secret]: KEY, a: KEY }, use: `${secret}!` });

      expect(mistakes.join()).toContain(`options.encrypt.use is a text of ${secret.length + 1} characters`);
      expect(mistakes.join()).not.toContain(secret.slice(0, 8));
    }
  });
});
