import { createHmac, randomBytes } from 'node:crypto';

const BYTES = 8;

/**
 * Makes the `pk` of the RateLimit headers: by it a client sees which of its requests share a limit, and nobody sees whose it
 * is. It is an HMAC, as a plain hash of an address or a user id is found again by trying them all.
 */
export class PartitionKeys {
  readonly #secret: string | Buffer;

  /**
   * @param secret the same in all processes. Without one it is a random one of this process: then each instance, and each
   *   start, shows other keys for the same subject.
   */
  constructor(secret?: string) {
    this.#secret = secret ?? randomBytes(32);
  }

  /** In base64, as a Byte Sequence of RFC 9651 has it between its colons. */
  of(subject: string): string {
    return createHmac('sha256', this.#secret).update(subject).digest().subarray(0, BYTES).toString('base64');
  }
}
