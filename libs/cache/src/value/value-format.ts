import type { Codec } from '@nuthatch/redis';
import { CacheOptionsError } from '../cache.errors.js';
import type { ResolvedCompress } from './compress.options.js';
import type { ResolvedEncrypt } from './encrypt.options.js';
import { ValueReader } from './value-reader.js';
import { ValueWriter, type WrittenValue } from './value-writer.js';

export type { WrittenValue } from './value-writer.js';

export interface ValueFormatOptions {
  readonly codec: Codec;
  readonly compress: ResolvedCompress | false;
  readonly encrypt: ResolvedEncrypt | false;
  /** The most that an encoded value may take, in bytes of UTF-8. */
  readonly maxValueBytes: number;
}

const CODEC_NAME = /^[\w.-]{1,32}$/;

/**
 * Turns a value into the body of an entry and back. Both ways give a Promise only when the work is done in the thread
 * pool; `instanceof Promise` tells.
 */
export class ValueFormat {
  /** Whether bodies may be bytes, so that replies must be read as such. */
  readonly binary: boolean;
  readonly #writer: ValueWriter;
  readonly #reader: ValueReader;

  /** @throws CacheOptionsError for a codec whose name cannot stand in the header of an entry. */
  constructor({ codec, compress, encrypt, maxValueBytes }: ValueFormatOptions) {
    checkName(codec.name);
    this.binary = compress !== false || encrypt !== false;
    this.#writer = new ValueWriter(codec, compress, encrypt || undefined, maxValueBytes);
    this.#reader = new ValueReader(codec, encrypt || undefined, maxValueBytes);
  }

  /**
   * @param key the whole key in Redis
   * @throws CacheValueError, never as a rejection: for undefined, what the codec cannot carry, and what is too long. What
   *   else the codec throws goes through.
   */
  write(key: string, value: unknown): WrittenValue | Promise<WrittenValue> {
    return this.#writer.write(key, value);
  }

  /**
   * @param key the whole key in Redis
   * @throws UnreadableValueError, or rejects with it, for whatever `write` has not written under this key, and for what it
   *   has written with options that this process lacks. Never anything else.
   */
  read(key: string, format: string, body: string | Buffer): unknown {
    return this.#reader.read(key, format, body);
  }
}

function checkName(name: unknown): void {
  if (typeof name === 'string' && CODEC_NAME.test(name)) return;
  const shown = typeof name === 'string' ? JSON.stringify(name.slice(0, 60)) : `of type ${typeof name}`;
  throw new CacheOptionsError([`options.codec.name is ${shown}. Use letters and digits, at most 32.`]);
}
