import type { Denial } from './denial.js';

/** The denials of all sets of policies, so many at most: the oldest goes first. However many there are, `add` and `remove` take as long. */
export class Denials {
  /** By the states that they were decided by; one state has as many as there are sets of policies that deny its subject. */
  readonly #byKey = new Map<string, Denial[]>();
  #oldest: Denial | undefined;
  #newest: Denial | undefined;
  #size = 0;

  constructor(private readonly most: number) {}

  get size(): number {
    return this.#size;
  }

  add(denial: Denial): void {
    if (this.#size >= this.most) this.remove(this.#oldest!);
    this.#size += 1;
    denial.older = this.#newest;
    if (this.#newest) this.#newest.newer = denial;
    else this.#oldest = denial;
    this.#newest = denial;
    for (const key of denial.keys) {
      const known = this.#byKey.get(key);
      if (known) known.push(denial);
      else this.#byKey.set(key, [denial]);
    }
  }

  /** Takes one out that is in. */
  remove(denial: Denial): void {
    const { older, newer, keys } = denial;
    this.#size -= 1;
    if (older) older.newer = newer;
    else this.#oldest = newer;
    if (newer) newer.older = older;
    else this.#newest = older;
    denial.older = denial.newer = undefined;
    for (const key of keys) this.#unlink(denial, key);
    denial.owner.lose(denial);
  }

  /** Those that were decided by that state. */
  of(key: string): readonly Denial[] {
    return [...(this.#byKey.get(key) ?? [])];
  }

  every(): readonly Denial[] {
    const all: Denial[] = [];
    for (let denial = this.#oldest; denial; denial = denial.newer) all.push(denial);
    return all;
  }

  #unlink(denial: Denial, key: string): void {
    const known = this.#byKey.get(key);
    const place = known?.indexOf(denial) ?? -1;
    if (!known || place === -1) return;
    if (known.length === 1) this.#byKey.delete(key);
    else known.splice(place, 1);
  }
}
