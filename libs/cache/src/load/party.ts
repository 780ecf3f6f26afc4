import { isSameEntry, type ResolvedEntryOptions } from '../cache.options.js';
import { readAlike, type Scope } from '../scope.js';
import type { FrozenValue } from '../local/frozen.js';

/** Callers who came in one turn of the event loop and want the same: the first looks for all. */
export class Party {
  /** What all of them get. */
  result!: Promise<FrozenValue>;
  /** Whether others may still join. */
  open = true;
  #size = 1;
  #listeners: (() => void)[] | undefined;

  constructor(
    readonly scope: Scope,
    readonly entry: ResolvedEntryOptions,
  ) {}

  get size(): number {
    return this.#size;
  }

  /** Whether somebody else would get the same. */
  suits(scope: Scope, entry: ResolvedEntryOptions): boolean {
    return this.open && readAlike(this.scope, scope) && isSameEntry(this.entry, entry);
  }

  join(): void {
    this.#size += 1;
  }

  /** Calls `onRead` once it is known whether there is something to load. */
  tell(onRead: () => void): void {
    (this.#listeners ??= []).push(onRead);
  }

  noteRead(): void {
    if (this.#listeners) for (const listener of this.#listeners) listener();
  }
}
