import type { Redis } from 'ioredis';
import { Heartbeat } from './heartbeat.js';
import { connect, keepConnected, reconnect } from './tended-link.js';
import { trackingRefusal } from './tracking-refusal.js';

const CHANNEL = '__redis__:invalidate';
const RETRY_MS = 500;

/** Whoever a {@link TrackerLink} reports to. */
export interface TrackerLinkListener {
  /** These keys have changed; null: all may have. */
  invalidated(keys: readonly Buffer[] | null): void;
  /** `armed` has changed. */
  changed(): void;
  /** The server will not do it, for this reason. */
  refused(reason: string): void;
}

/**
 * One RESP2 connection that asks its server to report changes of keys to itself. Invariant: while `armed`, each change
 * that is more than two seconds old has been reported; the server answers a PING after what it has reported before.
 */
export class TrackerLink {
  readonly close: () => void;
  readonly #heartbeat: Heartbeat;
  #tracking = false;

  constructor(
    private readonly client: Redis,
    private readonly prefixes: readonly string[],
    private readonly listener: TrackerLinkListener,
  ) {
    this.#heartbeat = new Heartbeat(
      async () => this.#ping(),
      () => listener.changed(),
    );
    // `messageBuffer`: the event for strings joins the keys of one message by commas.
    client.on('messageBuffer', (channel: Buffer, keys: readonly Buffer[] | null) => {
      if (channel.toString() === CHANNEL) listener.invalidated(keys);
    });
    client.on('ready', () => void this.#arm());
    client.on('close', () => this.#lose());
    const disconnect = keepConnected(client);
    this.close = () => {
      this.#heartbeat.stop();
      disconnect();
    };
    connect(client);
  }

  /** Whether every change is being reported. */
  get armed(): boolean {
    return this.#heartbeat.alive;
  }

  /** Nothing of this survives a reconnect: the server forgets the tracking, and ioredis would resubscribe to silence. */
  async #arm(): Promise<void> {
    const { stream } = this.client;
    try {
      const id = await this.client.client('ID');
      const prefixes = this.prefixes.flatMap((prefix) => ['PREFIX', prefix]);
      await this.client.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', String(id), 'BCAST', ...prefixes);
      await this.client.subscribe(CHANNEL);
    } catch (error) {
      const refusal = trackingRefusal(error);
      if (refusal !== undefined && stream === this.client.stream) return this.listener.refused(refusal);
      // Half armed is not armed: begin again on a new connection.
      setTimeout(() => reconnect(this.client, stream), RETRY_MS).unref();
      return;
    }
    this.#tracking = this.client.status === 'ready';
    void this.#heartbeat.beat();
  }

  async #ping(): Promise<void> {
    if (!this.#tracking) throw new Error('Nothing is being tracked.');
    await this.client.ping();
  }

  #lose(): void {
    this.#tracking = false;
    this.#heartbeat.lose();
  }
}
