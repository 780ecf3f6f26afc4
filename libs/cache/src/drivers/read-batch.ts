import type { ReadEntry } from './cache-driver.js';

type Resolve = (entry: ReadEntry | Promise<ReadEntry>) => void;

/** Keys that are asked for in one turn of the event loop, and who asks. */
export class ReadBatch {
  readonly keys: string[] = [];
  /** Whether anybody needs the state of the tags. */
  withTags = false;
  readonly #resolves: Resolve[] = [];
  readonly #rejects: ((error: unknown) => void)[] = [];

  add(key: string, withTags: boolean): Promise<ReadEntry> {
    if (withTags) this.withTags = true;
    this.keys.push(key);
    return new Promise((resolve, reject) => {
      this.#resolves.push(resolve);
      this.#rejects.push(reject);
    });
  }

  /** Gives everybody what `entryOf` says for the place of their key. */
  resolve(entryOf: (index: number) => ReadEntry | Promise<ReadEntry>): void {
    for (let index = 0; index < this.keys.length; index++) this.#resolves[index]!(entryOf(index));
  }

  reject(error: unknown): void {
    for (const reject of this.#rejects) reject(error);
  }
}
