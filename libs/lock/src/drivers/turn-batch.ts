import { thisMoment, type Moment } from '../moment.js';

/** What a script says of one of the calls in a batch. */
export type CallReply = number | string | readonly (number | string)[];

/** Calls of one turn of the event loop that one script can answer, each for itself. */
export class TurnBatch {
  /** Before any of them was sent. */
  readonly since: Moment = thisMoment();
  readonly keys: string[] = [];
  readonly texts: string[] = [];
  /** When the first of them gives up. */
  giveUpAt = Number.POSITIVE_INFINITY;
  readonly #resolves: ((reply: CallReply) => void)[] = [];
  readonly #rejects: ((error: unknown) => void)[] = [];

  add(key: string, text: string, giveUpAt = Number.POSITIVE_INFINITY): Promise<CallReply> {
    this.keys.push(key);
    this.texts.push(text);
    if (giveUpAt < this.giveUpAt) this.giveUpAt = giveUpAt;
    return new Promise((resolve, reject) => {
      this.#resolves.push(resolve);
      this.#rejects.push(reject);
    });
  }

  /** Gives each its part. */
  resolve(replies: readonly CallReply[]): void {
    for (let index = 0; index < this.#resolves.length; index++) this.#resolves[index]!(replies[index]!);
  }

  /** The same where each is answered by itself. */
  resolveOne(index: number, reply: CallReply): void {
    this.#resolves[index]!(reply);
  }

  rejectOne(index: number, error: unknown): void {
    this.#rejects[index]!(error);
  }

  reject(error: unknown): void {
    for (const reject of this.#rejects) reject(error);
  }
}
