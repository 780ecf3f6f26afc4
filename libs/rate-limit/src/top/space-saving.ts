/** What a subject has done, as far as it was counted. */
export interface Counted {
  readonly subject: string;
  /** How much it was given. */
  readonly taken: number;
  /** How many of its calls were denied. */
  readonly denied: number;
}

interface Counter {
  subject: string;
  taken: number;
  denied: number;
  /** What was counted in its place before it came. */
  inherited: number;
  /** By what it stands in the heap: at most what it has. */
  rank: number;
}

/**
 * Who does the most, in so many counters: Space-Saving (Metwally, Agrawal, El Abbadi 2005). Whoever is not counted yet takes
 * over the counter that has the least, with what it has. So a subject that has done more than a `1 / size` of all is there
 * for certain; and what is told of one is never more than it has done, as what it took over is not told.
 */
export class SpaceSaving {
  readonly #counters = new Map<string, Counter>();
  /** The least first. A counter that has grown is only moved when it comes to be the first, which is always in time. */
  readonly #heap: Counter[] = [];

  constructor(private readonly size: number) {}

  add(subject: string, taken: number, denied: number): void {
    const counter = this.#counters.get(subject);
    if (counter === undefined) {
      this.#admit(subject, taken, denied);
      return;
    }
    counter.taken += taken;
    counter.denied += denied;
  }

  all(): readonly Counted[] {
    return this.#heap.map(({ subject, taken, denied }) => ({ subject, taken, denied }));
  }

  #admit(subject: string, taken: number, denied: number): void {
    if (this.#heap.length < this.size) {
      const counter = { subject, taken, denied, inherited: 0, rank: 0 };
      this.#counters.set(subject, counter);
      // No rank is known before there are as many as there may be, so it may stand anywhere.
      this.#heap.push(counter);
      return;
    }
    const least = this.#least();
    this.#counters.delete(least.subject);
    least.inherited = weightOf(least);
    least.subject = subject;
    least.taken = taken;
    least.denied = denied;
    this.#counters.set(subject, least);
  }

  #least(): Counter {
    const heap = this.#heap;
    for (;;) {
      const first = heap[0]!;
      const weight = weightOf(first);
      if (first.rank === weight) return first;
      first.rank = weight;
      this.#sink();
    }
  }

  #sink(): void {
    const heap = this.#heap;
    const counter = heap[0]!;
    let place = 0;
    for (let child = 1; child < heap.length; child = 2 * place + 1) {
      if (child + 1 < heap.length && heap[child + 1]!.rank < heap[child]!.rank) child += 1;
      if (heap[child]!.rank >= counter.rank) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = counter;
  }
}

function weightOf({ taken, denied, inherited }: Counter): number {
  return taken + denied + inherited;
}
