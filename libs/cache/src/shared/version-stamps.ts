import { randomBytes } from 'node:crypto';

/** Makes versions of entries, each unlike that of any other write by any process. */
export class VersionStamps {
  // Random once: for each write it would cost more than to send the command.
  readonly #own = randomBytes(4).toString('hex');
  #count = 0;

  /** @param now when the value is written, in milliseconds of the store's clock */
  next(now: number): string {
    return `${now}-${this.#own}${(++this.#count).toString(36)}`;
  }
}
