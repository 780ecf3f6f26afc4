import { describe, expect, it } from '@jest/globals';
import { encodeNews, parseNews, type NewsMessage } from './news-message.js';

const parse = (text: string): NewsMessage | undefined => parseNews(Buffer.from(text));

describe('A message of the news', () => {
  it.each<NewsMessage>([
    { kind: 'forget' },
    { kind: 'forget', key: 'app:limit:{user%3A42}' },
    { kind: 'forget', ids: [1, 32_767] },
    { kind: 'forget', key: 'app:limit:{"\n\u2028}', ids: [7] },
    { kind: 'overrides' },
  ])('is read as it was written: %j', (message) => {
    expect(parse(encodeNews(message))).toEqual(message);
  });

  it.each([
    '',
    'null',
    '7',
    '"forget"',
    '[]',
    '{',
    '{}',
    '{"kind":"delete"}',
    '{"kind":"forget","key":7}',
    '{"kind":"forget","key":null}',
    '{"kind":"forget","ids":"1"}',
    '{"kind":"forget","ids":[0]}',
    '{"kind":"forget","ids":[32768]}',
    '{"kind":"forget","ids":[1.5]}',
    '{"kind":"forget","ids":["1"]}',
    JSON.stringify({ kind: 'forget', ids: Array.from({ length: 101 }, () => 1) }),
    JSON.stringify({ kind: 'forget', key: 'x'.repeat(5_000) }),
  ])('that nobody of ours has written is none: %.40s', (text) => {
    expect(parse(text)).toBeUndefined();
  });

  it('brings nothing in that is not part of it', () => {
    expect(parse('{"kind":"forget","__proto__":{"key":"a"},"more":1}')).toEqual({ kind: 'forget' });
  });
});
