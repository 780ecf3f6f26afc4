import { Logger } from '@nestjs/common';
import type { ServerConnection } from '@nuthatch/redis/internal';
import type { ChangeFeed, ChangeListener } from '../drivers/change-feed.js';
import { Announcer } from './announcer.js';
import { BroadcastFeed } from './broadcast-feed.js';
import { ChangeLog } from './change-log.js';
import { FeedListeners } from './feed-listeners.js';
import { TrackingFeed } from './tracking-feed.js';

/** Tracking where the servers allow it, and broadcasts from the moment on at which one of them refuses. */
export class NegotiatedFeed implements ChangeFeed {
  readonly #logger = new Logger('Cache');
  readonly #listeners = new FeedListeners();
  readonly #log: ChangeLog;
  readonly #announcer: Announcer;
  #feed: ChangeFeed;
  /** Whether the servers have said either yes or no. */
  #agreed = false;

  constructor(
    private readonly connection: ServerConnection,
    root: string,
    private readonly prefix: string,
  ) {
    this.#log = new ChangeLog(connection, root);
    this.#announcer = new Announcer(this.#log);
    this.#feed = new TrackingFeed(connection, prefix, (reason) => this.#fallBack(reason));
    this.#follow();
  }

  get announces(): boolean {
    return !this.#agreed || this.#feed.announces;
  }

  get armed(): boolean {
    return this.#listeners.armed;
  }

  on(listener: ChangeListener): () => void {
    return this.#listeners.add(listener);
  }

  announce(keys: readonly string[]): Promise<void> {
    // Before this process knows, another may have been refused, and hears of nothing else.
    return this.#agreed ? this.#feed.announce(keys) : this.#announcer.announce(keys);
  }

  close(): void {
    this.#feed.close();
    this.#listeners.end();
  }

  #follow(): void {
    this.#feed.on({
      changed: (keys) => this.#listeners.changed(keys),
      armed: () => {
        this.#agreed = true;
        this.#listeners.setArmed(true);
      },
      gap: () => this.#listeners.setArmed(false),
    });
  }

  #fallBack(reason: string): void {
    this.#logger.warn(
      `Redis connection "${this.connection.name}" does not report changes of keys: ${reason}. The processes tell each ` +
        `other of theirs instead; those by other programs, expiry and eviction are not noticed before the TTL has ` +
        `passed. Allow CLIENT TRACKING and the channel "__redis__:invalidate", or set coherence: 'broadcast'.`,
    );
    this.#feed.close();
    this.#agreed = true;
    this.#feed = new BroadcastFeed(this.connection, this.#log, this.#announcer, this.prefix);
    this.#follow();
  }
}
