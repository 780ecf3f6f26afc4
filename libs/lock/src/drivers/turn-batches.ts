import { isOutage } from '../is-outage.js';
import { TurnBatch, type CallReply, type ReadReply } from './turn-batch.js';

const MOST_IN_BATCH = 100;

/**
 * Gathers calls until the turn of the event loop ends: they leave as one script for each place. A script that fails, such as for a key
 * that holds something else, is asked for each of its calls alone: they have nothing to do with each other.
 */
export class TurnBatches<A> {
  #batches = new Map<number, TurnBatch<A>>();
  #scheduled = false;

  /**
   * @param send runs the script; `isAgain`: it has run before, and may have answered some of the calls
   * @param placeOf which keys one script may name together
   */
  constructor(
    private readonly send: (
      keys: readonly string[],
      texts: readonly string[],
      giveUpAt: number,
      isAgain: boolean,
    ) => Promise<readonly CallReply[]>,
    private readonly read: ReadReply<A>,
    private readonly placeOf: (key: string) => number,
  ) {}

  /** The batch that the next call for this key joins. */
  batchFor(key: string): TurnBatch<A> {
    if (!this.#scheduled) {
      this.#scheduled = true;
      process.nextTick(this.#sendAll);
    }
    const place = this.placeOf(key);
    let batch = this.#batches.get(place);
    if (batch && batch.keys.length >= MOST_IN_BATCH) {
      void this.#send(batch);
      batch = undefined;
    }
    if (!batch) this.#batches.set(place, (batch = new TurnBatch(this.read)));
    return batch;
  }

  readonly #sendAll = (): void => {
    this.#scheduled = false;
    const batches = this.#batches;
    this.#batches = new Map();
    for (const batch of batches.values()) void this.#send(batch);
  };

  async #send(batch: TurnBatch<A>): Promise<void> {
    const { keys, texts, giveUpAt } = batch;
    try {
      batch.resolve(await this.send(keys, texts, giveUpAt, false));
    } catch (error) {
      if (keys.length === 1 || isOutage(error)) batch.reject(error);
      else keys.forEach((_, index) => void this.#sendAlone(batch, index));
    }
  }

  async #sendAlone(batch: TurnBatch<A>, index: number): Promise<void> {
    try {
      const [reply] = await this.send([batch.keys[index]!], [batch.texts[index]!], batch.giveUpAt, true);
      batch.resolveOne(index, reply!);
    } catch (error) {
      batch.rejectOne(index, error);
    }
  }
}
