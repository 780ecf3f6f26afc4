import { randomBytes } from 'node:crypto';

// More runs are under way at a time only where Redis hangs.
const MOST = 256;

/** Where the store keeps the reply of a run, and which run that is. */
export interface ReplyPlace {
  readonly key: string;
  readonly run: number;
  readonly number: number;
}

/**
 * Gives each run that is under way a place for its reply. As places are used again, a few keys in Redis are written over and
 * over, which costs much less than keys that come and go.
 */
export class ReplyPlaces {
  readonly #id = randomBytes(6).toString('base64url');
  readonly #free: number[] = [];
  #made = 0;
  #runs = 0;

  /** Undefined where all are taken. @param stateKey of any state, to stand beside it */
  take(stateKey: string): ReplyPlace | undefined {
    const number = this.#free.pop() ?? (this.#made < MOST ? this.#made++ : undefined);
    if (number === undefined) return undefined;
    return { key: `${stateKey.slice(0, stateKey.indexOf('{'))}run:${this.#id}:${number}`, run: ++this.#runs, number };
  }

  free({ number }: ReplyPlace): void {
    this.#free.push(number);
  }
}
