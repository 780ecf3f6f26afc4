import type { ChangeListener } from '../drivers/change-feed.js';

/** The listeners of a feed, and what they have been told of its state. */
export class FeedListeners {
  readonly #listeners = new Set<ChangeListener>();
  #armed = false;

  get armed(): boolean {
    return this.#armed;
  }

  add(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  changed(keys: readonly string[] | null): void {
    for (const listener of this.#listeners) listener.changed(keys);
  }

  /** Tells of it only when it is news. */
  setArmed(armed: boolean): void {
    if (armed === this.#armed) return;
    this.#armed = armed;
    for (const listener of this.#listeners) {
      if (armed) listener.armed();
      else listener.gap();
    }
  }

  /** The feed has ended: nobody is told anything any more. */
  end(): void {
    this.#armed = false;
    this.#listeners.clear();
  }
}
