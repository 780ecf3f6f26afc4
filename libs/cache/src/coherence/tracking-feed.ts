import type { InvalidationTracker, ServerConnection } from '@nuthatch/redis/internal';
import type { ChangeFeed, ChangeListener } from '../drivers/change-feed.js';
import { FeedListeners } from './feed-listeners.js';

/** Changes as the servers report them themselves: also those by other programs, by expiry and by eviction. */
export class TrackingFeed implements ChangeFeed {
  readonly announces = false;
  readonly #listeners = new FeedListeners();
  readonly #tracker: InvalidationTracker;

  /** @param refused called once, with the reason, if a server will not do it; the feed is never armed again then */
  constructor(connection: ServerConnection, prefix: string, refused: (reason: string) => void) {
    this.#tracker = connection.track([prefix]);
    this.#tracker.on('invalidate', (keys) => this.#listeners.changed(keys && keys.map(String)));
    this.#tracker.on('armed', () => this.#listeners.setArmed(true));
    this.#tracker.on('gap', () => this.#listeners.setArmed(false));
    this.#tracker.on('refused', refused);
  }

  get armed(): boolean {
    return this.#listeners.armed;
  }

  on(listener: ChangeListener): () => void {
    return this.#listeners.add(listener);
  }

  async announce(): Promise<void> {
    // The write itself was the announcement.
  }

  close(): void {
    this.#tracker.close();
    this.#listeners.end();
  }
}
