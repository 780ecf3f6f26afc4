import { EventEmitter } from 'node:events';
import { Cluster, type Redis } from 'ioredis';
import { watchMasters } from './masters-watch.js';
import { TrackerLink } from './tracker-link.js';

interface Address {
  host: string;
  port: number;
}

interface TrackerEvents {
  /** These keys have changed; null: all may have. */
  invalidate: [keys: readonly Buffer[] | null];
  armed: [];
  gap: [];
  /** For good, with the first words of the server: it cannot, or the ACL forbids it. */
  refused: [refusal: string];
}

/**
 * Learns from the servers themselves which keys have changed: written by anybody, expired, evicted or flushed. Invariant:
 * while `armed`, each change is reported, and within two seconds; every change to not armed is reported by `gap`, and what
 * the caller holds may be stale from then on. One link per master, made anew when the masters change.
 */
export class InvalidationTracker {
  readonly #events = new EventEmitter();
  readonly #links = new Map<string, TrackerLink>();
  readonly #follow = (): void => this.#followMasters();
  readonly #unwatch: () => void;
  #armed = false;
  #refusal: string | undefined;

  constructor(
    private readonly client: Redis | Cluster,
    private readonly prefixes: readonly string[],
    private readonly open: (address: Address) => Redis,
  ) {
    client.on('refresh', this.#follow);
    this.#unwatch = client instanceof Cluster ? watchMasters(client) : () => undefined;
    this.#followMasters();
  }

  get armed(): boolean {
    return this.#armed;
  }

  /** Set once a server has refused to report changes; nothing is tried again then. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  on<E extends keyof TrackerEvents>(event: E, listener: (...detail: TrackerEvents[E]) => void): () => void {
    const registered = listener as (...detail: unknown[]) => void;
    this.#events.on(event, registered);
    return () => this.#events.off(event, registered);
  }

  /** Nothing is reported from now on, not even a gap. */
  close(): void {
    this.#events.removeAllListeners();
    this.#end();
  }

  #followMasters(): void {
    const wanted = this.#addresses();
    for (const [name, link] of this.#links) {
      if (wanted.has(name)) continue;
      link.close();
      this.#links.delete(name);
      // What it has reported last may not have arrived.
      this.#set(false);
    }
    for (const [name, address] of wanted) {
      if (this.#links.has(name)) continue;
      const link = new TrackerLink(this.open(address), this.prefixes, {
        invalidated: (keys) => void this.#events.emit('invalidate', keys),
        changed: () => this.#settle(),
        refused: (reason) => this.#refuse(reason),
      });
      this.#links.set(name, link);
    }
    this.#settle();
  }

  /** A lone server or a Sentinel group has one link, which finds the master by itself. */
  #addresses(): Map<string, Address> {
    if (!(this.client instanceof Cluster)) return new Map([['master', { host: '', port: 0 }]]);
    // Not the clients: those of masters that are down come and go, and before the first answer all nodes count as masters.
    const masters = new Set(this.client.slots.flatMap((owners) => owners?.[0] ?? []));
    return new Map([...masters].map((name) => [name, addressFrom(name)]));
  }

  #refuse(reason: string): void {
    if (this.#refusal !== undefined) return;
    this.#refusal = reason;
    this.#end();
    this.#events.emit('refused', reason);
  }

  #end(): void {
    this.client.off('refresh', this.#follow);
    this.#unwatch();
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
    this.#settle();
  }

  #settle(): void {
    this.#set(this.#links.size > 0 && [...this.#links.values()].every((link) => link.armed));
  }

  #set(armed: boolean): void {
    if (armed === this.#armed) return;
    this.#armed = armed;
    this.#events.emit(armed ? 'armed' : 'gap');
  }
}

function addressFrom(name: string): Address {
  const at = name.lastIndexOf(':');
  return { host: name.slice(0, at), port: Number(name.slice(at + 1)) };
}
