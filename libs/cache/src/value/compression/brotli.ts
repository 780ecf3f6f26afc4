import { promisify } from 'node:util';
import {
  brotliCompress,
  brotliCompressSync,
  brotliDecompress,
  brotliDecompressSync,
  constants,
  type BrotliOptions,
} from 'node:zlib';
import type { Compression } from './compression.js';

const deflate = promisify<Buffer, BrotliOptions, Buffer>(brotliCompress);

export const brotli: Compression = {
  field: 'br',
  deflateSync: (bytes) => brotliCompressSync(bytes, options(bytes)),
  deflate: (bytes) => deflate(bytes, options(bytes)),
  inflateSync: brotliDecompressSync,
  inflate: promisify(brotliDecompress),
};

function options(bytes: Buffer): BrotliOptions {
  const window = Math.ceil(Math.log2(bytes.length + 16));
  return {
    params: {
      // About the speed of gzip. The default of 11 is a hundred times as slow.
      [constants.BROTLI_PARAM_QUALITY]: 4,
      // A window of 4 MB is the default, and making it takes longer than compressing a small value.
      [constants.BROTLI_PARAM_LGWIN]: Math.min(
        Math.max(window, constants.BROTLI_MIN_WINDOW_BITS),
        constants.BROTLI_DEFAULT_WINDOW,
      ),
    },
  };
}
