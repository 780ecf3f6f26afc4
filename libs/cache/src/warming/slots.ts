/** Lets so many pieces of work go on at a time; the others wait in line. */
export class Slots {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  async use<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      // Handed over, not freed: who asks just now must not overtake the line.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }
}
