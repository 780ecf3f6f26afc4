/** Lets concurrent callers of one key share one run. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>();

  run(key: string, start: () => Promise<T>): Promise<T> {
    const running = this.#flights.get(key);
    if (running) return running;
    const flight = start().finally(() => {
      // Only its own place: after `forget` another flight may be there.
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    });
    this.#flights.set(key, flight);
    return flight;
  }

  has(key: string): boolean {
    return this.#flights.has(key);
  }

  /** Whoever comes from now on does not join the run that is under way. */
  forget(key: string): void {
    this.#flights.delete(key);
  }
}
