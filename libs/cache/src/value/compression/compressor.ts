import { constants } from 'node:buffer';
import { brotli } from './brotli.js';
import type { Compression, CompressionName } from './compression.js';
import { gzip } from './gzip.js';
import { zstd } from './zstd.js';

// Up to here a detour through the thread pool takes longer than the work, which is a quarter of a millisecond.
const SYNC_BYTES = 32 * 1024;
const SYNC_INFLATED_BYTES = 128 * 1024;

const COMPRESSIONS: Readonly<Record<CompressionName, Compression | undefined>> = { brotli, gzip, zstd };
const BY_FIELD: ReadonlyMap<string, Compression> = new Map(
  [brotli, gzip, zstd].filter((compression) => compression !== undefined).map((each) => [each.field, each]),
);

/** Whether this runtime has that compression. */
export function hasCompression(name: CompressionName): boolean {
  return COMPRESSIONS[name] !== undefined;
}

/** The compression that writes. */
export function compressionNamed(name: CompressionName): Compression {
  return COMPRESSIONS[name]!;
}

/** The compression that a format names, if this runtime has it. */
export function compressionOfField(field: string): Compression | undefined {
  return BY_FIELD.get(field);
}

/** At once when there is little to do, else in the thread pool. */
export function deflate(compression: Compression, bytes: Buffer): Buffer | Promise<Buffer> {
  return bytes.length < SYNC_BYTES ? compression.deflateSync(bytes) : compression.deflate(bytes);
}

/**
 * At once when there is little to do, else in the thread pool.
 *
 * @throws also as a rejection: for what is damaged or cut off, and ERR_BUFFER_TOO_LARGE as soon as it passes `maxBytes`.
 */
export function inflate(compression: Compression, bytes: Buffer, maxBytes: number): Buffer | Promise<Buffer> {
  const limit = { maxOutputLength: Math.min(maxBytes, constants.MAX_LENGTH) };
  if (bytes.length >= SYNC_BYTES) return compression.inflate(bytes, limit);
  if (maxBytes <= SYNC_INFLATED_BYTES) return compression.inflateSync(bytes, limit);
  try {
    return compression.inflateSync(bytes, { maxOutputLength: SYNC_INFLATED_BYTES });
  } catch (error) {
    // A few bytes may hold many: those must not be unpacked while everybody waits.
    if (isTooLarge(error)) return compression.inflate(bytes, limit);
    throw error;
  }
}

export function isTooLarge(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'ERR_BUFFER_TOO_LARGE';
}
