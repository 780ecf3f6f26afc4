import { describe, expect, it } from '@jest/globals';
import { readWarmingOption, type ResolvedWarming } from './warming.options.js';

function read(raw: unknown): { resolved: ResolvedWarming; mistakes: string[] } {
  const mistakes: string[] = [];
  return { resolved: readWarmingOption(raw, 'options.warming', mistakes), mistakes };
}

describe('The option "warming"', () => {
  it('runs two warmers at a time, and at boot in the background, unless told otherwise', () => {
    expect(read(undefined)).toEqual({ resolved: { concurrency: 2, onBoot: 'background' }, mistakes: [] });
    expect(read({})).toEqual({ resolved: { concurrency: 2, onBoot: 'background' }, mistakes: [] });
  });

  it.each([false, 'background', 'wait'] as const)('can have onBoot %p', (onBoot) => {
    expect(read({ concurrency: 5, onBoot })).toEqual({ resolved: { concurrency: 5, onBoot }, mistakes: [] });
  });

  it('names every mistake with its value and the fix', () => {
    expect(read({ concurrency: 0, onBoot: true, every: '5m' }).mistakes).toEqual([
      'options.warming.concurrency is 0. Give a whole number of 1 or more.',
      "options.warming.onBoot is true. Use one of 'background', 'wait'.",
      'options.warming.every is not an option. Known here: concurrency, onBoot.',
    ]);
    expect(read(null).mistakes).toEqual(['options.warming is null. Give an object.']);
    expect(read(false).mistakes).toEqual(['options.warming is of type boolean. Give an object.']);
  });
});
