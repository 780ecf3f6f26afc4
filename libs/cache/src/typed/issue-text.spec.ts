import { describe, expect, it } from '@jest/globals';
import { issuesText } from './issue-text.js';
import type { SchemaIssue } from './standard-schema.js';

const text = (value: unknown, ...issues: SchemaIssue[]): string => issuesText(value, issues);

describe('What is told of the issues of a schema', () => {
  it('is the path and the message of each', () => {
    const value = { lines: [{ price: 'free' }], name: 5 };

    expect(
      text(
        value,
        { path: ['lines', 0, 'price'], message: 'Expected number' },
        { path: [{ key: 'name' }], message: 'Expected string' },
        { message: 'Bad' },
      ),
    ).toBe('$.lines[0].price: Expected number; $.name: Expected string; $: Bad');
  });

  it('is no more than five of them', () => {
    const issues = Array.from({ length: 7 }, (_, index) => ({ path: [index], message: 'Bad' }));

    expect(issuesText([], issues)).toBe('$[0]: Bad; $[1]: Bad; $[2]: Bad; $[3]: Bad; $[4]: Bad; and 2 more');
  });

  it.each<[string, unknown, (string | number)[], string]>([
    ['a text', { token: 's3cret' }, ['token'], 'Expected number but received "s3cret"'],
    ['a text with quotation marks', { token: 'a"b' }, ['token'], 'Expected number but received "a\\"b"'],
    ['a text of several words', { token: ' top secret ' }, ['token'], 'Got top secret.'],
    ['a number', { pin: 1234 }, ['pin'], 'must be a string (was 1234)'],
    ['a bigint', { pin: 1234n }, ['pin'], 'must be a string (was 1234n or 1234)'],
    ['a date', { at: new Date(0) }, ['at'], 'Received 1970-01-01T00:00:00.000Z'],
    ['a text further down', { user: { token: 's3cret' } }, ['user'], 'Received {"token":"s3cret"}'],
    ['a text in a Map', new Map([['user', new Map([['token', 's3cret']])]]), ['user'], 'Received s3cret'],
    ['a text in a Set', { tokens: new Set(['s3cret']) }, ['tokens', 0], 'Received s3cret'],
    ['a text under a path that leads nowhere', 's3cret', ['length', 'x'], 'Received s3cret'],
    ['a key of a Map', new Map([['s3cret', 1]]), ['other'], 'Unexpected s3cret'],
  ])('is only the path where the message quotes %s', (_, value, path, message) => {
    expect(text(value, { path, message })).toBe(
      `$${path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`)).join('')}`,
    );
  });

  it.each<[string, unknown, string]>([
    ['that holds the value as a part of a word only', 'ring', 'Expected string'],
    ['for an empty text', '', 'Expected number, received string'],
    ['that quotes another part of the value', { a: 5 }, 'Too short, at least 6'],
    ['for bytes', Buffer.from([1, 2]), 'At least 1'],
    ['for what is true or false', true, 'Expected true'],
  ])('is the message %s', (_, value, message) => {
    expect(text(value, { message })).toBe(`$: ${message}`);
  });
});
