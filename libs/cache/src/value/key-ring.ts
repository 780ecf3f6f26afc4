import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, type KeyObject } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Seals bodies with AES-256-GCM and opens them again. What is sealed is IV, tag and ciphertext, and can only be opened
 * as the body of the same Redis key in the same format. The secrets are not visible from outside, nor to util.inspect and
 * JSON.stringify.
 */
export class KeyRing {
  readonly #keys: ReadonlyMap<string, KeyObject>;
  readonly #sealingKey: KeyObject;

  /**
   * @param keys 32 bytes each, by id; they are copied
   * @param use the id of the key that seals; every key opens
   */
  constructor(
    keys: ReadonlyMap<string, Buffer>,
    readonly use: string,
  ) {
    this.#keys = new Map([...keys].map(([id, key]) => [id, createSecretKey(key)]));
    this.#sealingKey = this.#keys.get(use)!;
  }

  has(id: string): boolean {
    return this.#keys.has(id);
  }

  seal(content: string | Buffer, redisKey: string, format: string): Buffer {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(CIPHER, this.#sealingKey, iv, { authTagLength: TAG_BYTES });
    cipher.setAAD(place(redisKey, format));
    const ciphertext = typeof content === 'string' ? cipher.update(content, 'utf8') : cipher.update(content);
    cipher.final();
    return Buffer.concat([iv, cipher.getAuthTag(), ciphertext]);
  }

  /** @throws Error for what was not sealed with that key, for that place. */
  open(id: string, sealed: Buffer, redisKey: string, format: string): Buffer {
    const iv = sealed.subarray(0, IV_BYTES);
    const tag = sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES);
    const decipher = createDecipheriv(CIPHER, this.#keys.get(id)!, iv, { authTagLength: TAG_BYTES });
    decipher.setAAD(place(redisKey, format));
    decipher.setAuthTag(tag);
    const content = decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES));
    // Checks the tag: nothing of the content may be looked at before.
    decipher.final();
    return content;
  }
}

// There is no line break in a format, so that no two places have the same text.
function place(redisKey: string, format: string): Buffer {
  return Buffer.from(`${format}\n${redisKey}`);
}
