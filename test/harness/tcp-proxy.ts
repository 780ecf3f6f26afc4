import { createServer, type Server, type Socket } from 'node:net';
import type { Address } from '#harness/address';
import { freePort } from '#harness/free-port';
import { bothWays, ProxiedConnection, type Direction, type ForwardingRules } from '#harness/proxied-connection';

/** What happens to a client that connects. */
type Admission = 'forward' | 'silence' | 'close';

/** A TCP proxy on a loopback port of its own, with the faults of a network. */
export class TcpProxy {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly #target: Address;
  readonly #connections = new Set<ProxiedConnection>();
  readonly #rules: ForwardingRules = { delayMs: 0, blackholed: [], repliesUntilDrop: undefined };
  #admission: Admission = 'forward';
  #listener: Server | undefined;

  /** Returns once the proxy listens. The target need not. */
  static async start(target: Address): Promise<TcpProxy> {
    for (let attempt = 1; ; attempt += 1) {
      const proxy = new TcpProxy(target, await freePort());
      const listener = proxy.#listen();
      try {
        await new Promise<void>((resolve, reject) => listener.once('listening', resolve).once('error', reject));
        return proxy;
      } catch (error) {
        if (attempt === 5) throw error;
      }
    }
  }

  private constructor({ host, port }: Address, ownPort: number) {
    this.#target = { host, port };
    this.port = ownPort;
  }

  /** How many clients are connected now. */
  connections(): number {
    return [...this.#connections].filter(({ open }) => open).length;
  }

  /** Resets all connections and refuses new ones. */
  cut(): void {
    this.#listener?.close();
    this.#listener = undefined;
    this.#resetAll();
  }

  /**
   * Keeps connections open and accepts new ones, and forwards neither bytes nor closings.
   *
   * @param direction - only what goes this way is lost. `@default both`
   */
  blackhole(direction?: Direction): void {
    this.#rules.blackholed = direction === undefined ? bothWays : [direction];
    this.#admit(direction === undefined ? 'silence' : 'forward');
  }

  /** Holds each reply back for this many milliseconds, in order. Connecting takes no longer than before. */
  delay(ms: number): void {
    this.#rules.delayMs = ms;
  }

  /**
   * Forwards the next `n - 1` replies, swallows the one after them, and resets the connection that it came on.
   * Counts the replies of all connections together, and RESP3 pushes not at all. Does nothing on TLS.
   */
  dropReply(n: number): void {
    if (!Number.isInteger(n) || n < 1) throw new Error(`dropReply(${n}): the next reply is number 1.`);
    this.#rules.repliesUntilDrop = n;
  }

  /** Accepts new connections and closes them at once; those that are open stay. */
  acceptAndClose(): void {
    this.#admit('close');
  }

  /** Accepts new connections and never answers them; those that are open stay. */
  acceptAndSilence(): void {
    this.#admit('silence');
  }

  /** Back to forwarding. What was black-holed is lost, and connections that lost something are reset. */
  heal(): void {
    Object.assign(this.#rules, { delayMs: 0, blackholed: [], repliesUntilDrop: undefined });
    this.#admit('forward');
    for (const connection of this.#connections) connection.heal();
  }

  /** Resets all connections and gives the port back. */
  async stop(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    this.#resetAll();
    if (listener !== undefined) await new Promise<void>((resolve) => listener.close(() => resolve()));
  }

  #admit(admission: Admission): void {
    this.#admission = admission;
    this.#listener ??= this.#listen();
  }

  #listen(): Server {
    const listener = createServer((client) => this.#accept(client));
    // A spec that forgets stop() must not keep its Jest worker alive.
    listener.listen(this.port, this.host).unref();
    this.#listener = listener;
    return listener;
  }

  #accept(client: Socket): void {
    if (this.#admission === 'close') {
      client.on('error', () => client.destroy());
      client.destroy();
      return;
    }
    const target = this.#admission === 'forward' ? this.#target : undefined;
    const connection: ProxiedConnection = new ProxiedConnection(client, this.#rules, target, () => {
      this.#connections.delete(connection);
    });
    this.#connections.add(connection);
  }

  #resetAll(): void {
    for (const connection of this.#connections) connection.reset();
  }
}

/** Starts a proxy in front of a server: give clients the address of the proxy. */
export function startProxy(target: Address): Promise<TcpProxy> {
  return TcpProxy.start(target);
}
