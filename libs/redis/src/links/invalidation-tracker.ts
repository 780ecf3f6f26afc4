import { EventEmitter } from 'node:events';
import { Cluster, type Redis } from 'ioredis';
import { TrackerLink } from './tracker-link.js';

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
      const report = (keys: readonly Buffer[] | null): void => void this.#events.emit('invalidate', keys);
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
