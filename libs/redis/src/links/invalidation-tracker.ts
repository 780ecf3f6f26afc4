import { EventEmitter } from 'node:events';
import { Cluster, type Redis } from 'ioredis';

const CHANNEL = '__redis__:invalidate';
const WATCH_EVERY_MS = 3_000;
const RETRY_MS = 500;

interface Address {
  host: string;
  port: number;
}

/**
 * Learns from the servers themselves which keys have changed: written by anybody, expired, evicted or flushed. Invariant:
 * while `armed`, each change is reported; every change to not armed is reported by `gap`, and what the caller holds may be
 * stale from then on. One link per master, made anew when the masters change.
 */
export class InvalidationTracker {
  readonly #events = new EventEmitter();
  readonly #links = new Map<string, TrackerLink>();
  readonly #refresh = (): void => this.#follow();
  #armed = false;

  constructor(
    private readonly client: Redis | Cluster,
    private readonly prefixes: readonly string[],
    private readonly open: (address: Address) => Redis,
  ) {
    client.on(client instanceof Cluster ? 'refresh' : 'ready', this.#refresh);
    this.#follow();
  }

  get armed(): boolean {
    return this.#armed;
  }

  /** `keys`: these have changed; `null`: all may have. */
  on(event: 'invalidate', listener: (keys: readonly Buffer[] | null) => void): () => void;
  on(event: 'armed' | 'gap', listener: () => void): () => void;
  on(event: string, listener: (keys: readonly Buffer[] | null) => void): () => void {
    this.#events.on(event, listener);
    return () => this.#events.off(event, listener);
  }

  close(): void {
    this.client.off(this.client instanceof Cluster ? 'refresh' : 'ready', this.#refresh);
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  #follow(): void {
    const wanted = this.#addresses();
    for (const [name, link] of this.#links) {
      if (wanted.has(name)) continue;
      link.close();
      this.#links.delete(name);
    }
    for (const [name, address] of wanted) {
      if (this.#links.has(name)) continue;
      const report = (keys: readonly Buffer[] | null): boolean => this.#events.emit('invalidate', keys);
      this.#links.set(name, new TrackerLink(this.open(address), this.prefixes, report, () => this.#settle()));
    }
    this.#settle();
  }

  /** A lone server or a Sentinel group has one link, which finds the master by itself. */
  #addresses(): Map<string, Address> {
    if (!(this.client instanceof Cluster)) return new Map([['master', { host: '', port: 0 }]]);
    const addresses = this.client.nodes('master').map(({ options }) => ({ host: options.host!, port: options.port! }));
    return new Map(addresses.map((address) => [`${address.host}:${address.port}`, address]));
  }

  #settle(): void {
    const armed = this.#links.size > 0 && [...this.#links.values()].every((link) => link.armed);
    if (armed === this.#armed) return;
    this.#armed = armed;
    this.#events.emit(armed ? 'armed' : 'gap');
  }
}

/** One RESP2 connection that asks the server to report to itself. */
class TrackerLink {
  armed = false;
  #closed = false;
  readonly #watchdog: NodeJS.Timeout;

  constructor(
    private readonly client: Redis,
    private readonly prefixes: readonly string[],
    report: (keys: readonly Buffer[] | null) => boolean,
    private readonly changed: () => void,
  ) {
    // `messageBuffer`: the event for strings joins the keys of one message by commas.
    client.on('messageBuffer', (channel: Buffer, keys: readonly Buffer[] | null) => {
      if (channel.toString() === CHANNEL) report(keys);
    });
    client.on('ready', () => void this.#arm());
    client.on('close', () => this.#set(false));
    client.on('end', () => this.#closed || setTimeout(() => this.#connect(), RETRY_MS).unref());
    this.#watchdog = setInterval(() => void this.#beat(), WATCH_EVERY_MS);
    this.#watchdog.unref();
    this.#connect();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#watchdog);
    this.client.disconnect();
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
      if (!this.#closed) setTimeout(() => this.#closed || this.client.disconnect(true), RETRY_MS).unref();
    }
  }

  #set(armed: boolean): void {
    if (this.armed === armed) return;
    this.armed = armed;
    this.changed();
  }

  async #beat(): Promise<void> {
    if (this.client.status !== 'ready') return;
    try {
      await this.client.ping();
    } catch {
      // The silence watch has closed the socket, or is about to: `close` ends the tracking.
    }
  }

  #connect(): void {
    if (this.#closed) return;
    if (this.client.status === 'wait' || this.client.status === 'end') {
      this.client.connect().catch(() => 'reported by the next "end"');
    }
  }
}
