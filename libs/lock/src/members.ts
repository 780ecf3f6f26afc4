/** What a {@link Members} may hold; in one of them at a time. */
export interface Member {
  /** Where it stands there; -1 while it is in none. Only for {@link Members}. */
  place: number;
}

/**
 * An unordered set for what comes and goes at every call. A Set that grows old keeps what it has held: each table that it outgrows
 * leads to the next, and once the first is in the old generation of the heap, all of them have to be copied there.
 */
export class Members<M extends Member> {
  readonly #all: M[] = [];

  get size(): number {
    return this.#all.length;
  }

  add(member: M): void {
    if (member.place >= 0) return;
    member.place = this.#all.length;
    this.#all.push(member);
  }

  /** @returns whether it was there */
  delete(member: M): boolean {
    const { place } = member;
    if (this.#all[place] !== member) return false;
    const last = this.#all.pop()!;
    if (last !== member) {
      this.#all[place] = last;
      last.place = place;
    }
    member.place = -1;
    return true;
  }

  find(isMeant: (member: M) => boolean): M | undefined {
    return this.#all.find(isMeant);
  }

  /** As they are now: what comes or goes meanwhile does not matter. */
  [Symbol.iterator](): Iterator<M> {
    return [...this.#all].values();
  }
}
