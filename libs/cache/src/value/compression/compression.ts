export type CompressionName = 'brotli' | 'gzip' | 'zstd';

/** One way to compress: at once, or in the thread pool. */
export interface Compression {
  /** Stands in the format of a body that is compressed so. */
  readonly field: string;
  deflateSync(bytes: Buffer): Buffer;
  deflate(bytes: Buffer): Promise<Buffer>;
  /** @throws for what is damaged or cut off, and ERR_BUFFER_TOO_LARGE as soon as the limit is passed. */
  inflateSync(bytes: Buffer, limit: InflateLimit): Buffer;
  inflate(bytes: Buffer, limit: InflateLimit): Promise<Buffer>;
}

export interface InflateLimit {
  /** In bytes. */
  readonly maxOutputLength: number;
}
