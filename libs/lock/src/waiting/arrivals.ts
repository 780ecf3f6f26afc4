/** What stands in {@link Arrivals}; in one of them at a time. The links are only for that. */
export interface Arrival<A> {
  ahead: A | undefined;
  behind: A | undefined;
}

/**
 * Those who wait, in the order of their arrival. Who leaves is let go of at once, unlike by a Map that has grown old; see Members.
 */
export class Arrivals<A extends Arrival<A>> {
  #first: A | undefined;
  #last: A | undefined;

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  add(one: A): void {
    if (this.has(one)) return;
    one.ahead = this.#last;
    if (this.#last) this.#last.behind = one;
    else this.#first = one;
    this.#last = one;
  }

  has(one: A): boolean {
    return one.ahead !== undefined || this.#first === one;
  }

  delete(one: A): void {
    if (!this.has(one)) return;
    if (one.ahead) one.ahead.behind = one.behind;
    else this.#first = one.behind;
    if (one.behind) one.behind.ahead = one.ahead;
    else this.#last = one.ahead;
    one.ahead = undefined;
    one.behind = undefined;
  }

  /** The first of whom that holds; whoever is looked for mostly came long ago. */
  find(isMeant: (one: A) => boolean): A | undefined {
    let one = this.#first;
    while (one && !isMeant(one)) one = one.behind;
    return one;
  }

  /** As they are now. */
  all(): A[] {
    const all: A[] = [];
    for (let one = this.#first; one; one = one.behind) all.push(one);
    return all;
  }
}
