import type { Redis } from 'ioredis';
import { connect, tendLink } from './tended-link.js';

const CHANNEL = '__redis__:invalidate';
const RETRY_MS = 500;

/** One RESP2 connection that asks its server to report changes of keys to itself. */
export class TrackerLink {
  readonly close: () => void;
  #armed = false;

  /**
   * @param report called with the keys that have changed, or with null when all may have
   * @param changed called when `armed` has changed
   */
  constructor(
    private readonly client: Redis,
    private readonly prefixes: readonly string[],
    report: (keys: readonly Buffer[] | null) => void,
    private readonly changed: () => void,
  ) {
    // `messageBuffer`: the event for strings joins the keys of one message by commas.
    client.on('messageBuffer', (channel: Buffer, keys: readonly Buffer[] | null) => {
      if (channel.toString() === CHANNEL) report(keys);
    });
    client.on('ready', () => void this.#arm());
    client.on('close', () => this.#set(false));
    this.close = tendLink(client);
    connect(client);
  }

  /** Whether every change is being reported. */
  get armed(): boolean {
    return this.#armed;
  }

  /** Nothing of this survives a reconnect: the server forgets the tracking, and ioredis would resubscribe to silence. */
  async #arm(): Promise<void> {
    try {
      const id = await this.client.client('ID');
      const prefixes = this.prefixes.flatMap((prefix) => ['PREFIX', prefix]);
      await this.client.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', String(id), 'BCAST', ...prefixes);
      await this.client.subscribe(CHANNEL);
      this.#set(this.client.status === 'ready');
    } catch {
      // Half armed is not armed: begin again on a new connection.
      setTimeout(() => this.client.status === 'ready' && this.client.disconnect(true), RETRY_MS).unref();
    }
  }

  #set(armed: boolean): void {
    if (this.#armed === armed) return;
    this.#armed = armed;
    this.changed();
  }
}
