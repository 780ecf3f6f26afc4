import type { LoadChain } from '../load/load-chain.js';
import type { LoadContext } from '../load/load-context.js';
import type { Turn } from './turn-reads.js';

export interface LoadCall {
  readonly args: readonly unknown[];
  readonly context: LoadContext;
}

/** Collects what is to be loaded, and loads it by one call for each turn of the event loop, or by several if it is much. */
export class LoadBatches {
  readonly #ofTurns = new WeakMap<Turn, Batch>();
  #late: Batch | undefined;

  /** @param loadMany gives as many values as there are calls, in their order */
  constructor(
    private readonly loadMany: (calls: readonly LoadCall[]) => Promise<readonly unknown[]>,
    private readonly size: number,
    private readonly chain: Pick<LoadChain, 'waiting'>,
  ) {}

  /** Resolves to the value for the call. @param turn in which it was asked for, to be loaded with what else was */
  load(call: LoadCall, turn: Turn | undefined): Promise<unknown> {
    const batch = turn && this.#ofTurn(turn);
    return (batch && !batch.begun ? batch : this.#lateBatch()).add(call);
  }

  #ofTurn(turn: Turn): Batch {
    let batch = this.#ofTurns.get(turn);
    if (!batch) this.#ofTurns.set(turn, (batch = this.#open(turn.known, turn)));
    return batch;
  }

  /** For what turns out later, because whoever was loading it has given up, and for what is loaded ahead. */
  #lateBatch(): Batch {
    if (this.#late && !this.#late.begun) return this.#late;
    const nextTurn = new Promise<void>((resolve) => setImmediate(resolve));
    return (this.#late = this.#open(nextTurn));
  }

  #open(ready: Promise<void>, turn?: Turn): Batch {
    const rank = ({ context }: LoadCall): number => turn?.rank(context.key) ?? 0;
    // In the order in which they were asked for, however the answers of Redis came.
    const load: LoadAll = (calls) => this.#loadInParts(calls.toSorted((one, other) => rank(one) - rank(other)));
    return new Batch(ready, load, this.chain);
  }

  /** Each call has a promise of its own: when a part fails, the others do not. */
  #loadInParts(calls: readonly LoadCall[]): Map<LoadCall, Promise<unknown>> {
    const values = new Map<LoadCall, Promise<unknown>>();
    for (let from = 0; from < calls.length; from += this.size) {
      const part = calls.slice(from, from + this.size);
      const loading = this.loadMany(part);
      part.forEach((call, index) =>
        values.set(
          call,
          loading.then((loaded) => loaded[index]),
        ),
      );
    }
    return values;
  }
}

type LoadAll = (calls: readonly LoadCall[]) => ReadonlyMap<LoadCall, Promise<unknown>>;

class Batch {
  readonly #calls: LoadCall[] = [];
  #loading: Promise<ReadonlyMap<LoadCall, Promise<unknown>>> | undefined;
  begun = false;

  constructor(
    private readonly ready: Promise<void>,
    private readonly load: LoadAll,
    private readonly chain: Pick<LoadChain, 'waiting'>,
  ) {
    void ready.then(() => (this.begun = true));
  }

  /** To be called by the loader of the key of the call. */
  add(call: LoadCall): Promise<unknown> {
    this.#calls.push(call);
    const value = (values: ReadonlyMap<LoadCall, Promise<unknown>>): Promise<unknown> | undefined => values.get(call);
    // Its first loader is the one that loads, and the others wait for it: it has to be known who waits for whom.
    if (this.#loading) return this.chain.waiting(this.#calls[0]!.context.key, this.#loading.then(value));
    this.#loading = this.ready.then(() => this.load(this.#calls));
    return this.#loading.then(value);
  }
}
