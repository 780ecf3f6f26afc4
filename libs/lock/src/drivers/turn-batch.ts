import { thisMoment, type Moment } from '../moment.js';

/** What a script says of one of the calls in a batch. */
export type CallReply = number | string | readonly (number | string)[];

/** Makes of what a script says of a key what its caller is told; `since` is a moment before it was sent. */
export type ReadReply<A> = (reply: CallReply, key: string, since: Moment) => A;

/** Calls of one turn of the event loop that one script can answer, each for itself. */
export class TurnBatch<A> {
  readonly keys: string[] = [];
  readonly texts: string[] = [];
  /** When the first of them gives up. */
  giveUpAt = Number.POSITIVE_INFINITY;
  readonly #since: Moment = thisMoment();
  readonly #resolves: ((answer: A) => void)[] = [];
  readonly #rejects: ((error: unknown) => void)[] = [];

  constructor(private readonly read: ReadReply<A>) {}

  add(key: string, text: string, giveUpAt = Number.POSITIVE_INFINITY): Promise<A> {
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
    for (let index = 0; index < this.keys.length; index++) this.resolveOne(index, replies[index]!);
  }

  /** The same where each is answered by itself. */
  resolveOne(index: number, reply: CallReply): void {
    try {
      this.#resolves[index]!(this.read(reply, this.keys[index]!, this.#since));
    } catch (error) {
      this.rejectOne(index, error);
    }
  }

  rejectOne(index: number, error: unknown): void {
    this.#rejects[index]!(error);
  }

  reject(error: unknown): void {
    for (const reject of this.#rejects) reject(error);
  }
}
