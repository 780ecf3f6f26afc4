import { describe, expect, it } from '@jest/globals';
import { jsonCodec } from '@nuthatch/redis';
import { CacheOptionsError } from './cache.errors.js';
import { resolveCacheOptions, resolveEntryOptions, checkNamespace, type CacheEntryOptions } from './cache.options.js';

function mistakesIn(act: () => unknown): readonly string[] {
  try {
    act();
  } catch (error) {
    if (error instanceof CacheOptionsError) return error.mistakes;
    throw error;
  }
  return [];
}

/** The options as JavaScript or a configuration file may give them. */
const resolve = (options: unknown): unknown => resolveCacheOptions(options as object);

const ENTRY =
  'tags, ttl, grace, jitter, negativeTtl, softTimeout, hardTimeout, refreshAhead, coalesce, onOutage, clone';

describe('The options of CacheModule', () => {
  it('all have a default', () => {
    expect(resolveCacheOptions()).toEqual({
      ttlMs: 300_000,
      graceMs: 0,
      jitter: 0.1,
      tags: [],
      negativeTtlMs: undefined,
      softTimeoutMs: undefined,
      hardTimeoutMs: undefined,
      refreshAhead: undefined,
      coalesce: 'cluster',
      onOutage: 'load',
      clone: false,
      connection: 'default',
      namespace: 'default',
      local: { maxEntries: 10_000, maxBytes: 64 * 1_024 * 1_024 },
      coherence: 'tracking',
      redisTimeoutMs: 45,
      codec: jsonCodec,
      compress: false,
      encrypt: false,
      maxValueBytes: 16 * 1_024 * 1_024,
      warming: expect.anything(),
    });
  });

  it('are taken as they are given', () => {
    const codec = { name: 'mine', encode: String, decode: (text: string) => text };

    expect(
      resolveCacheOptions({
        ttl: '10s',
        grace: '1h',
        jitter: 0,
        tags: ['a', 'b', 'a'],
        negativeTtl: '5s',
        softTimeout: '0ms',
        hardTimeout: '2s',
        refreshAhead: 0.8,
        coalesce: false,
        onOutage: 'throw',
        clone: true,
        connection: 'cache',
        namespace: 'v2',
        local: { maxEntries: 5, maxBytes: '1MB' },
        coherence: 'off',
        redisTimeout: '20ms',
        codec,
        maxValueBytes: '1KB',
        isGlobal: false,
      }),
    ).toEqual({
      ttlMs: 10_000,
      graceMs: 3_600_000,
      jitter: 0,
      tags: ['a', 'b'],
      negativeTtlMs: 5_000,
      softTimeoutMs: 0,
      hardTimeoutMs: 2_000,
      refreshAhead: 0.8,
      coalesce: false,
      onOutage: 'throw',
      clone: true,
      connection: 'cache',
      namespace: 'v2',
      local: { maxEntries: 5, maxBytes: 1_048_576 },
      coherence: 'off',
      redisTimeoutMs: 20,
      codec,
      compress: false,
      encrypt: false,
      maxValueBytes: 1_024,
      warming: expect.anything(),
    });
    expect(resolveCacheOptions({ local: false }).local).toBe(false);
    expect(resolveCacheOptions({ local: { maxEntries: 7 } }).local).toEqual({ maxEntries: 7, maxBytes: 67_108_864 });
  });

  it('that are wrong are all listed at once, each with the fix', () => {
    const wrong = {
      ttl: 60,
      grace: '-1s',
      jitter: -0.1,
      tags: ['fine', '', 'a\n'],
      negativeTtl: '0s',
      softTimeout: 100,
      hardTimeout: '0ms',
      refreshAhead: 1.5,
      coalesce: true,
      onOutage: 'fail',
      clone: 'yes',
      connection: '',
      namespace: 'a:b',
      local: { maxEntries: 0, maxBytes: 64, size: 1 },
      coherence: 'maybe',
      redisTimeout: 45,
      codec: {},
      maxValueBytes: '1GX',
      prefix: 'x',
    };

    const mistakes = mistakesIn(() => resolve(wrong));

    const expected = [
      "options.ttl is 60. Write the unit: '60ms'.",
      expect.stringMatching(/^options\.grace is "-1s"\. /),
      'options.jitter is -0.1. Give a number from 0 to 1.',
      'options.tags[1] is empty; give a string with at least one character.',
      expect.stringMatching(/^options\.tags\[2\] is "a\\n", which has control characters/),
      expect.stringMatching(/^options\.negativeTtl is "0s"\. /),
      "options.softTimeout is 100. Write the unit: '100ms'.",
      expect.stringMatching(/^options\.hardTimeout is "0ms"\. /),
      'options.refreshAhead is 1.5. Give a number from 0 to 1.',
      "options.coalesce is true. Use one of 'cluster', 'process', false.",
      "options.onOutage is \"fail\". Use one of 'load', 'throw'.",
      'options.clone is "yes". Use true or false.',
      'options.connection is "". Use letters, digits, ".", "_" and "-", at most 64.',
      'options.namespace is "a:b". Use letters, digits, ".", "_" and "-", at most 64.',
      'options.local.maxEntries is 0. Give a whole number of 1 or more.',
      expect.stringMatching(/^options\.local\.maxBytes is 64\. /),
      'options.local.size is not an option. Known here: maxEntries, maxBytes.',
      "options.coherence is \"maybe\". Use one of 'tracking', 'broadcast', 'off'.",
      "options.redisTimeout is 45. Write the unit: '45ms'.",
      'options.codec has no encode() and decode(). Give an object with both, for example jsonCodec.',
      expect.stringMatching(/^options\.maxValueBytes is "1GX"\. /),
      expect.stringMatching(/^options\.prefix is not an option\. Known here: .*\bttl\b.*\bmaxValueBytes\b/),
    ];
    expect(mistakes).toEqual(expect.arrayContaining(expected));
    expect(mistakes).toHaveLength(expected.length);
  });

  it('that are wrong make one message with a line for each', () => {
    expect(() => resolve({ ttl: '0s', namespace: ' ' })).toThrow(
      /^CacheModule has wrong options:\n {2}- options\.ttl is "0s"\. .+\n {2}- options\.namespace is " "\. .+$/,
    );
  });

  it.each([[null], ['5m'], [[]]])('may be no options at all: %p', (options) => {
    expect(mistakesIn(() => resolve(options))).toEqual([expect.stringMatching(/^options is .+\. Give an object\.$/)]);
  });

  it.each([[true], ['64MB'], [[]]])('of the tier in process are an object or false: %p', (local) => {
    expect(mistakesIn(() => resolve({ local }))).toEqual([
      expect.stringMatching(/^options\.local is .+\. Give an object\.$/),
    ]);
  });

  it('do not keep a secret in their message', () => {
    const mistakes = mistakesIn(() => resolve({ encrypt: { keys: { now: 's3cret' }, use: 'now' } }));

    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]).not.toContain('s3cret');
  });
});

describe('The options of one entry', () => {
  const defaults = resolveCacheOptions({ ttl: '1m', grace: '1h', onOutage: 'throw', tags: ['all'], refreshAhead: 0.5 });

  it('go over those of the module, and its tags add up with them', () => {
    expect(resolveEntryOptions(undefined, defaults)).toBe(defaults);
    expect(resolveEntryOptions({}, defaults)).toMatchObject({ ttlMs: 60_000, onOutage: 'throw', tags: ['all'] });
    expect(resolveEntryOptions({ ttl: '5s' }, defaults)).toMatchObject({
      ttlMs: 5_000,
      onOutage: 'throw',
      refreshAhead: 0.5,
    });
    expect(resolveEntryOptions({ onOutage: 'load' }, defaults)).toMatchObject({ ttlMs: 60_000, onOutage: 'load' });
    expect(resolveEntryOptions({ grace: '0ms' }, defaults)).toMatchObject({ graceMs: 0 });
    expect(resolveEntryOptions({ tags: ['one', 'all'] }, defaults).tags).toEqual(['all', 'one']);
  });

  it('that are undefined are those of the module', () => {
    expect(resolveEntryOptions({ ttl: undefined, grace: undefined, tags: undefined } as never, defaults)).toMatchObject(
      {
        ttlMs: 60_000,
        graceMs: 3_600_000,
        tags: ['all'],
      },
    );
  });

  it('that are wrong are listed like those of the module', () => {
    const wrong = { ttl: '5', connection: 'cache' } as unknown as CacheEntryOptions;

    expect(mistakesIn(() => resolveEntryOptions(wrong, defaults))).toEqual([
      `options.ttl is "5". Write the unit: '5ms'.`,
      `options.connection is not an option. Known here: ${ENTRY}.`,
    ]);
  });
});

describe('The name of a namespace', () => {
  it.each(['default', 'a', 'users.archive', 'V2_x-1', 'x'.repeat(64)])('may be %p', (name) => {
    expect(checkNamespace(name)).toBe(name);
  });

  it.each(['', 'a:b', 'a b', '*', '{tags}', 'é', 'x'.repeat(65), undefined, 7])('may not be %p', (name) => {
    expect(() => checkNamespace(name as string)).toThrow(CacheOptionsError);
  });
});
