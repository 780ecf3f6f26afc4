import { isUtf8 } from 'node:buffer';
import { CodecError, type Codec } from '@nuthatch/redis';
import { compressionOfField, inflate, isTooLarge } from './compression/compressor.js';
import { plainFormat, readFields } from './format-fields.js';
import type { KeyRing } from './key-ring.js';
import { UnreadableValueError } from './unreadable-value.error.js';
import { whenDone } from './when-done.js';

/** Decrypts, inflates, decodes. Whatever goes wrong is an UnreadableValueError. */
export class ValueReader {
  readonly #plainFormat: string;

  constructor(
    private readonly codec: Codec,
    private readonly keys: KeyRing | undefined,
    private readonly maxBytes: number,
  ) {
    this.#plainFormat = plainFormat(codec.name);
  }

  read(key: string, format: string, body: string | Buffer): unknown {
    if (format === this.#plainFormat && !this.keys) return this.#decode(key, body);
    const { codec, compression, keyId } = readFields(key, format);
    if (codec !== this.codec.name) {
      throw new UnreadableValueError(
        key,
        `It was written with the codec ${shown(codec)}, and the codec here is "${this.codec.name}". ` +
          `Give every process the same codec, or delete the entry.`,
      );
    }
    const content = keyId === undefined ? this.#unencrypted(key, body) : this.#decrypt(key, format, keyId, body);
    return compression === undefined ? this.#decode(key, content) : this.#inflate(key, compression, content);
  }

  #unencrypted(key: string, body: string | Buffer): string | Buffer {
    if (!this.keys) return body;
    throw new UnreadableValueError(
      key,
      'It is not encrypted, and whoever can write to Redis could have put it there. ' +
        'Set "encrypt" in every process, or delete the entry.',
    );
  }

  #decrypt(key: string, format: string, keyId: string, body: string | Buffer): Buffer {
    const bytes = bytesOf(key, body);
    if (!this.keys?.has(keyId)) {
      throw new UnreadableValueError(
        key,
        `It is encrypted with the key ${shown(keyId)}, which is not here. ` +
          `Add that key to "encrypt.keys", or delete the entry.`,
      );
    }
    try {
      return this.keys.open(keyId, bytes, key, format);
    } catch {
      // node:crypto says no more than that it failed.
      throw new UnreadableValueError(
        key,
        `It was changed, or moved from another key, or its key ${shown(keyId)} is not the one of this process. ` +
          `Compare "encrypt.keys" of all processes, and delete the entry.`,
      );
    }
  }

  #inflate(key: string, field: string, content: string | Buffer): unknown {
    const bytes = bytesOf(key, content);
    const compression = compressionOfField(field);
    if (!compression) {
      throw new UnreadableValueError(
        key,
        `It is compressed as ${shown(field)}, which Node ${process.versions.node} does not have. ` +
          `Update Node, or delete the entry.`,
      );
    }
    const fail = (error: unknown): never => {
      throw new UnreadableValueError(key, this.#inflationProblem(error));
    };
    let inflated: Buffer | Promise<Buffer>;
    try {
      inflated = inflate(compression, bytes, this.maxBytes);
    } catch (error) {
      return fail(error);
    }
    const decode = (text: Buffer): unknown => this.#decode(key, text);
    return Buffer.isBuffer(inflated) ? decode(inflated) : whenDone(inflated, decode, fail);
  }

  #inflationProblem(error: unknown): string {
    return isTooLarge(error)
      ? `It is longer than "maxValueBytes", which is ${this.maxBytes}. Raise that, or delete the entry.`
      : `Its compressed bytes are damaged: ${(error as Error).message}. Delete the entry.`;
  }

  #decode(key: string, content: string | Buffer): unknown {
    let value: unknown;
    try {
      value = this.codec.decode(typeof content === 'string' ? content : textOf(content));
    } catch (error) {
      // Of other errors not even the message: it may quote what is stored.
      if (error instanceof CodecError) throw new UnreadableValueError(key, error.message, { cause: error });
      throw new UnreadableValueError(key, `The codec "${this.codec.name}" refuses it. Delete the entry.`);
    }
    if (value !== undefined) return value;
    throw new UnreadableValueError(key, 'It holds undefined, which is never cached. Delete the entry.');
  }
}

function textOf(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new CodecError('The stored value is no text. Delete it, or find who else writes it.', '$');
  return bytes.toString();
}

function bytesOf(key: string, content: string | Buffer): Buffer {
  if (typeof content !== 'string') return content;
  throw new UnreadableValueError(
    key,
    'It is made of bytes and was read as text, since neither "compress" nor "encrypt" is set here. ' +
      'Set what the process that wrote it has set, or delete the entry.',
  );
}

/** A part of a header, which anybody may have written. */
function shown(text: string): string {
  return JSON.stringify(text.slice(0, 40));
}
