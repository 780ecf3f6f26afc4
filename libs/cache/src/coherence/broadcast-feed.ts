import { Heartbeat, type ServerConnection, type Subscriber } from '@nuthatch/redis/internal';
import type { ChangeFeed, ChangeListener } from '../drivers/change-feed.js';
import type { Announcer } from './announcer.js';
import { PAGE, type ChangeLog } from './change-log.js';
import { parseMessage, sequenceOf, type ChangeMessage } from './change-message.js';
import { FeedListeners } from './feed-listeners.js';

const RETRY_MS = 500;

/**
 * Changes as the processes announce them to each other, for servers that report none: those by other programs, by expiry
 * and by eviction are not among them. Messages come at once over pub/sub, which may lose them, and are kept in a log,
 * which every heartbeat compares with what has come. So what pub/sub has lost is late by half a second, and what the log
 * has lost is reported as null. Invariant: while armed, all that was announced two seconds ago has been reported.
 */
export class BroadcastFeed implements ChangeFeed {
  readonly announces = true;
  readonly #listeners = new FeedListeners();
  readonly #heartbeat: Heartbeat;
  readonly #subscriber: Subscriber;
  readonly #offResumed: () => void;
  #unsubscribe: (() => Promise<void>) | undefined;
  #closed = false;
  /** The ID of the last message that was reported. */
  #last: string | undefined;
  /** What comes while the log is being read: it may be in there, too. */
  #held: (ChangeMessage | undefined)[] | undefined;

  /** @param prefix only keys that begin with it are reported */
  constructor(
    connection: ServerConnection,
    private readonly log: ChangeLog,
    private readonly announcer: Announcer,
    private readonly prefix: string,
  ) {
    this.#heartbeat = new Heartbeat(
      () => this.#catchUp(),
      () => this.#listeners.setArmed(this.#heartbeat.alive),
    );
    this.#subscriber = connection.subscriber;
    this.#offResumed = this.#subscriber.on('resumed', () => void this.#heartbeat.beat());
    void this.#subscribe().then(() => this.#heartbeat.beat());
  }

  get armed(): boolean {
    return this.#listeners.armed;
  }

  on(listener: ChangeListener): () => void {
    return this.#listeners.add(listener);
  }

  announce(keys: readonly string[]): Promise<void> {
    return this.announcer.announce(keys);
  }

  close(): void {
    this.#closed = true;
    this.#heartbeat.stop();
    this.#offResumed();
    this.#unsubscribe?.().catch(() => 'the link is gone, and the subscription with it');
    this.#listeners.end();
  }

  /** Until it succeeds the log is read at each heartbeat all the same. */
  async #subscribe(): Promise<void> {
    try {
      this.#unsubscribe = await this.#subscriber.subscribe(this.log.channel, (text) => this.#receive(text.toString()));
      if (this.#closed) this.close();
    } catch {
      setTimeout(() => this.#closed || void this.#subscribe(), RETRY_MS).unref();
    }
  }

  #receive(text: string): void {
    const message = parseMessage(text);
    if (this.#held) this.#held.push(message);
    else this.#accept(message);
  }

  #accept(message: ChangeMessage | undefined): void {
    if (this.#last === undefined || this.#report(message)) return;
    // One that has been read from the log already. Of another log with the same numbers the next heartbeat finds out.
    if (message && sequenceOf(message.id) <= sequenceOf(this.#last)) return;
    void this.#heartbeat.beat();
  }

  /** Reports a message, if it is the next one. */
  #report(message: ChangeMessage | undefined): boolean {
    if (!message || message.after !== this.#last) return false;
    this.#last = message.id;
    const keys = message.keys.filter((key) => key.startsWith(this.prefix));
    if (keys.length > 0) this.#listeners.changed(keys);
    return true;
  }

  /** Resolves when all has been reported that had been announced by the time of the call. */
  async #catchUp(): Promise<void> {
    this.#held = [];
    try {
      while (!(await this.#readPage()));
    } finally {
      const held = this.#held;
      this.#held = undefined;
      held.forEach((message) => this.#accept(message));
    }
  }

  /** @returns whether it was the last one */
  async #readPage(): Promise<boolean> {
    const known = this.#last;
    const { last, messages } = await this.log.read(known);
    const whole = messages.every((message) => this.#report(message));
    if (whole && this.#last === last) return true;
    if (whole && messages.length === PAGE) return false;
    // Messages are missing: trimmed off, evicted, flushed, or lost by a failover.
    this.#last = last;
    if (known !== undefined) this.#listeners.changed(null);
    return true;
  }
}
