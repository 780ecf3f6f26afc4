import { CodecError, type Codec } from '@nuthatch/redis';
import { CacheValueError } from '../cache.errors.js';
import type { ResolvedCompress } from './compress.options.js';
import type { Compression } from './compression/compression.js';
import { compressionNamed, deflate } from './compression/compressor.js';
import { plainFormat, withField } from './format-fields.js';
import type { KeyRing } from './key-ring.js';
import { whenDone } from './when-done.js';

export interface WrittenValue {
  readonly body: string | Buffer;
  /** How the body is written, for the header of the entry: fields such as `z=br;k=2026`; `''` is plain JSON. */
  readonly format: string;
}

/** Encodes, compresses, encrypts. */
export class ValueWriter {
  readonly #plainFormat: string;
  readonly #compression: Compression | undefined;
  readonly #aboveBytes: number;

  constructor(
    private readonly codec: Codec,
    compress: ResolvedCompress | false,
    private readonly keys: KeyRing | undefined,
    private readonly maxBytes: number,
  ) {
    this.#plainFormat = plainFormat(codec.name);
    this.#compression = compress ? compressionNamed(compress.with) : undefined;
    this.#aboveBytes = compress ? compress.aboveBytes : Infinity;
  }

  write(key: string, value: unknown): WrittenValue | Promise<WrittenValue> {
    const text = this.#encode(key, value);
    // Counting bytes takes a walk through the text, which many are too short to need: a UTF-16 unit is three at the most.
    if (text.length * 3 > this.maxBytes) this.#checkSize(key, Buffer.byteLength(text));
    if (this.#compression && text.length * 3 >= this.#aboveBytes) return this.#compress(key, text, this.#compression);
    return this.#encrypt(key, text, this.#plainFormat);
  }

  #encode(key: string, value: unknown): string {
    if (value === undefined) {
      throw new CacheValueError(
        `undefined cannot be cached under "${key}". Cache null for "there is none", or delete the key.`,
      );
    }
    const text = this.#encoded(key, value);
    if (typeof text === 'string') return text;
    throw new CacheValueError(
      `The value for "${key}" cannot be cached. The codec "${this.codec.name}" made no text of it. ` +
        `Let its encode() return a string.`,
    );
  }

  #encoded(key: string, value: unknown): string {
    try {
      return this.codec.encode(value);
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      throw new CacheValueError(`The value for "${key}" cannot be cached. ${error.message}`, { cause: error });
    }
  }

  #checkSize(key: string, bytes: number): void {
    if (bytes <= this.maxBytes) return;
    throw new CacheValueError(
      `The value for "${key}" cannot be cached. It takes ${bytes} bytes, and "maxValueBytes" is ${this.maxBytes}. ` +
        `Cache a part of it, spread it over several keys, or raise "maxValueBytes".`,
    );
  }

  #compress(key: string, text: string, compression: Compression): WrittenValue | Promise<WrittenValue> {
    const bytes = Buffer.from(text);
    if (bytes.length < this.#aboveBytes) return this.#encrypt(key, text, this.#plainFormat);
    const format = withField(this.#plainFormat, 'z', compression.field);
    const smallerOf = (deflated: Buffer): WrittenValue =>
      deflated.length + format.length < bytes.length + this.#plainFormat.length
        ? this.#encrypt(key, deflated, format)
        : this.#encrypt(key, text, this.#plainFormat);
    const deflated = deflate(compression, bytes);
    return Buffer.isBuffer(deflated) ? smallerOf(deflated) : whenDone(deflated, smallerOf);
  }

  #encrypt(key: string, body: string | Buffer, format: string): WrittenValue {
    if (!this.keys) return { body, format };
    const sealedFormat = withField(format, 'k', this.keys.use);
    return { body: this.keys.seal(body, key, sealedFormat), format: sealedFormat };
  }
}
