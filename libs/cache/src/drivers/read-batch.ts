import type { ReadEntry, Refuse, Take } from './cache-driver.js';

/** Keys that are asked for in one turn of the event loop, and who asks. */
export class ReadBatch {
  readonly keys: string[] = [];
  /** Whether anybody needs the state of the tags. */
  withTags = false;
  readonly #callers: Caller[] = [];

  add<R>(key: string, withTags: boolean, take: Take<R>, refuse: Refuse<R> | undefined): Promise<R> {
    if (withTags) this.withTags = true;
    this.keys.push(key);
    return new Promise<R>((resolve, reject) => {
      this.#callers.push({ take, refuse, resolve: resolve as (result: unknown) => void, reject });
    });
  }

  /** Gives everybody what `entryOf` says for the place of their key. */
  resolve(entryOf: (index: number) => ReadEntry | Promise<ReadEntry>): void {
    for (let index = 0; index < this.keys.length; index++) {
      const { take, refuse, resolve, reject } = this.#callers[index]!;
      try {
        const read = entryOf(index);
        resolve(read instanceof Promise ? read.then(take, refuse) : take(read));
      } catch (error) {
        reject(error);
      }
    }
  }

  reject(error: unknown): void {
    for (const { refuse, resolve, reject } of this.#callers) {
      try {
        if (refuse) resolve(refuse(error));
        else reject(error);
      } catch (other) {
        reject(other);
      }
    }
  }
}

interface Caller {
  readonly take: Take<unknown>;
  readonly refuse: Refuse<unknown> | undefined;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}
