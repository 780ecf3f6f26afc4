import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import type { Compression, InflateLimit } from './compression.js';

interface ZstdOptions {
  readonly params: Readonly<Record<number, number>>;
}

type Callback = (error: Error | null, result: Buffer) => void;

/** What node:zlib has since Node 22.15. */
interface ZstdFunctions {
  zstdCompressSync(bytes: Buffer, options: ZstdOptions): Buffer;
  zstdCompress(bytes: Buffer, options: ZstdOptions, done: Callback): void;
  zstdDecompressSync(bytes: Buffer, limit: InflateLimit): Buffer;
  zstdDecompress(bytes: Buffer, limit: InflateLimit, done: Callback): void;
}

// 201 is ZSTD_c_checksumFlag. Without it, most damage would go unseen.
const OPTIONS: ZstdOptions = { params: { 201: 1 } };

/** undefined where the runtime has no zstd. */
export const zstd: Compression | undefined = zstdOf(zlib as unknown as Partial<ZstdFunctions>);

function zstdOf(functions: Partial<ZstdFunctions>): Compression | undefined {
  const { zstdCompressSync, zstdCompress, zstdDecompressSync, zstdDecompress } = functions;
  if (!zstdCompressSync || !zstdCompress || !zstdDecompressSync || !zstdDecompress) return undefined;
  const deflate = promisify(zstdCompress);
  const inflate = promisify(zstdDecompress);
  return {
    field: 'zstd',
    deflateSync: (bytes) => zstdCompressSync(bytes, OPTIONS),
    deflate: (bytes) => deflate(bytes, OPTIONS),
    inflateSync: (bytes, limit) => zstdDecompressSync(wholeFrame(bytes), limit),
    inflate: async (bytes, limit) => inflate(wholeFrame(bytes), limit),
  };
}

/** Many versions of Node take a frame that is cut off for a shorter one: https://github.com/nodejs/node/issues/64592 */
function wholeFrame(bytes: Buffer): Buffer {
  if (frameLength(bytes) === bytes.length) return bytes;
  throw new Error('unexpected end of file');
}

/** The length of the frame that begins here, by its header and those of its blocks (RFC 8878); undefined if cut off. */
function frameLength(bytes: Buffer): number | undefined {
  const descriptor = bytes[4];
  if (descriptor === undefined) return undefined;
  const isSingleSegment = (descriptor & 0b10_0000) !== 0;
  const windowBytes = isSingleSegment ? 0 : 1;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 0b11]!;
  const contentSizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const checksumBytes = (descriptor & 0b100) === 0 ? 0 : 4;
  let at = 5 + windowBytes + dictionaryBytes + contentSizeBytes;
  while (at + 3 <= bytes.length) {
    const block = bytes.readUIntLE(at, 3);
    const isRepeatedByte = ((block >> 1) & 0b11) === 1;
    at += 3 + (isRepeatedByte ? 1 : block >> 3);
    if ((block & 1) === 1) return at + checksumBytes;
  }
  return undefined;
}
