import { describe, expect, it } from '@jest/globals';
import { readCompressOption } from './compress.options.js';
import { hasCompression } from './compression/compressor.js';

const read = (raw: unknown): { resolved: unknown; mistakes: string[] } => {
  const mistakes: string[] = [];
  return { resolved: readCompressOption(raw, 'options.compress', mistakes), mistakes };
};

describe('The option compress', () => {
  it('is off unless it is given', () => {
    expect(read(undefined)).toEqual({ resolved: false, mistakes: [] });
    expect(read(false)).toEqual({ resolved: false, mistakes: [] });
  });

  it('takes a size and a method, which is brotli unless it is given', () => {
    expect(read({ above: '2KB' })).toEqual({ resolved: { aboveBytes: 2_048, with: 'brotli' }, mistakes: [] });
    expect(read({ above: '1B', with: undefined }).resolved).toEqual({ aboveBytes: 1, with: 'brotli' });
    expect(read({ above: '1MB', with: 'gzip' }).resolved).toEqual({ aboveBytes: 1_048_576, with: 'gzip' });
  });

  const hasZstd = hasCompression('zstd');

  (hasZstd ? it : it.skip)('takes zstd where Node has it', () => {
    expect(read({ above: '1KB', with: 'zstd' })).toEqual({
      resolved: { aboveBytes: 1_024, with: 'zstd' },
      mistakes: [],
    });
  });

  (hasZstd ? it.skip : it)('refuses zstd where Node does not have it', () => {
    expect(read({ above: '1KB', with: 'zstd' })).toEqual({
      resolved: false,
      mistakes: [
        `options.compress.with is 'zstd', which Node ${process.versions.node} does not have. ` +
          "Use 'brotli' or 'gzip', or Node 22.15 or newer.",
      ],
    });
  });

  it.each([
    [true, ['options.compress is of type boolean. Give an object.']],
    [null, ['options.compress is null. Give an object.']],
    ['1KB', ['options.compress is of type string. Give an object.']],
    [{}, ["options.compress.above is undefined. Write a positive number with its unit, for example '16KB' or '64MB'."]],
    [
      { above: 1_024 },
      ["options.compress.above is 1024. Write a positive number with its unit, for example '16KB' or '64MB'."],
    ],
    [{ above: '1KB', with: 'lz4' }, ["options.compress.with is \"lz4\". Use one of 'brotli', 'gzip', 'zstd'."]],
    [{ above: '1KB', level: 9 }, ['options.compress.level is not an option. Known here: above, with.']],
    [
      { above: '-1KB', with: 'br', quality: 1 },
      [
        "options.compress.above is \"-1KB\". Write a positive number with its unit, for example '16KB' or '64MB'.",
        "options.compress.with is \"br\". Use one of 'brotli', 'gzip', 'zstd'.",
        'options.compress.quality is not an option. Known here: above, with.',
      ],
    ],
  ])('refuses %j and says how to write it', (raw, mistakes) => {
    expect(read(raw)).toEqual({ resolved: false, mistakes });
  });
});
