import type { NewsListener } from './limit-news.js';
import type { NewsMessage } from './news-message.js';

/** The listeners of news, and whether they can rely on them. */
export class NewsListeners {
  readonly #listeners = new Set<NewsListener>();
  #alive = false;

  get alive(): boolean {
    return this.#alive;
  }

  add(listener: NewsListener): () => void {
    this.#listeners.add(listener);
    if (this.#alive) listener.armed();
    return () => void this.#listeners.delete(listener);
  }

  told(message: NewsMessage): void {
    for (const listener of this.#listeners) listener.told(message);
  }

  setAlive(alive: boolean): void {
    if (alive === this.#alive) return;
    this.#alive = alive;
    for (const listener of this.#listeners) {
      if (alive) listener.armed();
      else listener.gap();
    }
  }

  /** The news have ended: nobody is told anything after that. */
  end(): void {
    this.setAlive(false);
    this.#listeners.clear();
  }
}
