import type { LimitNews, NewsListener } from './limit-news.js';
import { NewsListeners } from './news-listeners.js';
import type { NewsMessage } from './news-message.js';

/** News where there is one process only. */
export class LocalLimitNews implements LimitNews {
  readonly #listeners = new NewsListeners();

  constructor() {
    this.#listeners.setAlive(true);
  }

  get alive(): boolean {
    return this.#listeners.alive;
  }

  async publish(message: NewsMessage): Promise<void> {
    this.tell(message);
  }

  tell(message: NewsMessage): void {
    this.#listeners.told(message);
  }

  on(listener: NewsListener): () => void {
    return this.#listeners.add(listener);
  }

  close(): void {
    this.#listeners.end();
  }
}
