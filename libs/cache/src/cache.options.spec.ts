import { describe, expect, it } from '@jest/globals';
import { jsonCodec } from '@nuthatch/redis';
import { CacheOptionsError } from './cache.errors.js';
import { resolveCacheOptions, resolveEntryOptions, type CacheEntryOptions } from './cache.options.js';

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

describe('The options of CacheModule', () => {
  it('all have a default', () => {
    expect(resolveCacheOptions()).toEqual({
      ttlMs: 300_000,
      onOutage: 'load',
      connection: 'default',
      namespace: 'default',
      codec: jsonCodec,
    });
  });

  it('are taken as they are given', () => {
    const codec = { name: 'mine', encode: String, decode: (text: string) => text };

    expect(
      resolveCacheOptions({
        ttl: '10s',
        onOutage: 'throw',
        connection: 'cache',
        namespace: 'v2',
        codec,
        isGlobal: false,
      }),
    ).toEqual({
      ttlMs: 10_000,
      onOutage: 'throw',
      connection: 'cache',
      namespace: 'v2',
      codec,
    });
  });

  it('that are wrong are all listed at once, each with the fix', () => {
    const wrong = { ttl: 60, onOutage: 'fail', connection: '', namespace: 'a:b', codec: {}, prefix: 'x' };

    const mistakes = mistakesIn(() => resolve(wrong));

    expect([...mistakes].sort()).toEqual([
      'options.codec has no encode() and decode(). Give an object with both, for example jsonCodec.',
      'options.connection is "". Use letters, digits, ".", "_" and "-", at most 64.',
      'options.namespace is "a:b". Use letters, digits, ".", "_" and "-", at most 64.',
      "options.onOutage is \"fail\". Use one of 'load', 'throw'.",
      'options.prefix is not an option. Known here: isGlobal, codec, ttl, onOutage, connection, namespace.',
      "options.ttl is 60. Write the unit: '60ms'.",
    ]);
  });

  it('that are wrong make one message with a line for each', () => {
    expect(() => resolve({ ttl: '0s', namespace: ' ' })).toThrow(
      /^CacheModule has wrong options:\n {2}- options\.ttl is "0s"\. .+\n {2}- options\.namespace is " "\. .+$/,
    );
  });

  it.each([[null], ['5m'], [[]]])('may be no options at all: %p', (options) => {
    expect(mistakesIn(() => resolve(options))).toEqual([expect.stringMatching(/^options is .+\. Give an object\.$/)]);
  });
});

describe('The options of one entry', () => {
  const defaults = resolveCacheOptions({ ttl: '1m', onOutage: 'throw' });

  it('go over those of the module', () => {
    expect(resolveEntryOptions(undefined, defaults)).toMatchObject({ ttlMs: 60_000, onOutage: 'throw' });
    expect(resolveEntryOptions({}, defaults)).toEqual({ ttlMs: 60_000, onOutage: 'throw' });
    expect(resolveEntryOptions({ ttl: '5s' }, defaults)).toEqual({ ttlMs: 5_000, onOutage: 'throw' });
    expect(resolveEntryOptions({ onOutage: 'load' }, defaults)).toEqual({ ttlMs: 60_000, onOutage: 'load' });
  });

  it('that are wrong are listed like those of the module', () => {
    const wrong = { ttl: '5', connection: 'cache' } as unknown as CacheEntryOptions;

    expect(mistakesIn(() => resolveEntryOptions(wrong, defaults))).toEqual([
      `options.ttl is "5". Write the unit: '5ms'.`,
      'options.connection is not an option. Known here: ttl, onOutage.',
    ]);
  });
});
