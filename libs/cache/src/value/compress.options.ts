import type { Bytes } from '@nuthatch/redis';
import { OptionsReader, parseBytes } from '@nuthatch/redis/internal';
import type { CompressionName } from './compression/compression.js';
import { hasCompression } from './compression/compressor.js';

/** Which values are compressed, and how. */
export interface CompressOptions {
  /** Values that take this much or more when encoded are compressed, if that makes them smaller. */
  above: Bytes;
  /**
   * How values are written. It can be changed at any time: entries are read in whichever way they were written.
   * `'zstd'` needs Node 22.15 or newer in every process.
   * @default 'brotli'
   */
  with?: CompressionName;
}

export interface ResolvedCompress {
  readonly aboveBytes: number;
  readonly with: CompressionName;
}

/** Reads the option `compress`. Notes what is wrong in `mistakes`; false when there is a mistake. */
export function readCompressOption(raw: unknown, path: string, mistakes: string[]): ResolvedCompress | false {
  if (raw === undefined || raw === false) return false;
  const found = mistakes.length;
  const reader = new OptionsReader(raw, path, mistakes);
  if (mistakes.length > found) return false;
  reader.ignore('above');
  const aboveBytes = readBytes((raw as { above?: unknown }).above, `${path}.above`, mistakes);
  const name = reader.oneOf('with', ['brotli', 'gzip', 'zstd'] as const, 'brotli');
  if (name && !hasCompression(name)) {
    mistakes.push(
      `${path}.with is '${name}', which Node ${process.versions.node} does not have. ` +
        `Use 'brotli' or 'gzip', or Node 22.15 or newer.`,
    );
  }
  reader.rejectUnknown();
  return name === undefined || mistakes.length > found ? false : { aboveBytes, with: name };
}

function readBytes(value: unknown, what: string, mistakes: string[]): number {
  try {
    return parseBytes(value, what);
  } catch (error) {
    mistakes.push((error as Error).message);
    return 0;
  }
}
