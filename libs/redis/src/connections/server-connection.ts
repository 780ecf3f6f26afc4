import type { Logger } from '@nestjs/common';
import { Cluster, type Redis } from 'ioredis';
import type { ConnectionEvent, ConnectionState, RedisConnection, RedisMode, Topology } from '../redis-connection.js';
import type { ResolvedServerConnection } from '../redis.options.js';
import type { RedisScript } from '../scripts/redis-script.js';
import { CommandGuard } from '../client/command-guard.js';
import { ProcessHold } from '../client/process-hold.js';
import { reconnectDelay, type ClientContext } from '../client/ioredis-options.js';
import { runCommand, runScript, type CommandArgument, type RunOptions } from '../scripts/command-runner.js';
import { readTopology } from './topology.js';
import { ConnectionStatus } from './connection-status.js';
import { followMasters } from './failover-watch.js';
import { watchForReply } from './reply-watch.js';
import { createClient } from './create-client.js';
import { SideLinks } from '../links/side-links.js';
import { slotOf } from '../slot.js';
import type { ReplicatedReply, ReplicaWait } from '../links/blocking-pool.js';
import type { InvalidationTracker } from '../links/invalidation-tracker.js';
import type { Subscriber } from '../links/subscriber.js';

// Within the five seconds that a process may take to end, with room for what the application does itself.
const DRAIN_MS = 2_500;

/** A connection to real servers. What siblings of this package use beyond {@link RedisConnection} is marked internal. */
export class ServerConnection implements RedisConnection {
  readonly mode: Exclude<RedisMode, 'embedded'>;
  readonly client: Redis | Cluster;
  // Private to the engine, not only to the compiler: printing a connection must not print its password.
  readonly #options: ResolvedServerConnection;
  readonly #guard: CommandGuard;
  readonly #status: ConnectionStatus;
  readonly #hold = new ProcessHold();
  readonly #links: SideLinks;
  /** A server that says anything at all while the breaker is open was slow, not gone: the next call may try it. */
  readonly #watchForReply: () => void;
  #lastError: Error | undefined;
  #attempts = 0;
  #closing = false;

  constructor(
    readonly name: string,
    namespace: string,
    options: ResolvedServerConnection,
    logger: Pick<Logger, 'log' | 'warn'>,
  ) {
    this.#options = options;
    this.mode = options.mode;
    this.#status = new ConnectionStatus(name, describe(options), logger);
    this.#guard = new CommandGuard({
      connection: name,
      commandTimeoutMs: options.commandTimeoutMs,
      breaker: options.breaker,
      manyLinks: options.mode === 'cluster',
      onBreaker: () => this.#breakerChanged(),
    });
    const context: ClientContext = {
      connectionName: `${namespace}:${name}`,
      hold: this.#hold,
      isRefused: () => /^(WRONGPASS|NOAUTH|NOPERM)/.test(this.#lastError?.message ?? ''),
    };
    this.client = createClient(options, context, this.#guard);
    this.#links = new SideLinks(name, options, context, this.client);
    this.#watchForReply = watchForReply(this.client, () => this.#guard.breaker?.probeNow());
    this.#watch(context);
  }

  get state(): ConnectionState {
    return this.#status.state;
  }

  on(event: ConnectionEvent, listener: () => void): () => void {
    return this.#status.on(event, listener);
  }

  async ping(): Promise<number> {
    const startedAt = performance.now();
    await runCommand(this.client, 'ping', []);
    return performance.now() - startedAt;
  }

  topology(): Promise<Topology> {
    return readTopology(this.#options, this.client);
  }

  /** @internal Sends one command. */
  call(name: string, args: readonly CommandArgument[], options?: RunOptions): Promise<unknown> {
    return runCommand(this.client, name, args, options);
  }

  /** @internal Runs a script; its keys must share a hash tag. */
  run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly CommandArgument[],
    options?: RunOptions,
  ): Promise<unknown> {
    return runScript(this.client, script, keys, args, options);
  }

  /** @internal The clients of the servers that take writes; for what must reach each of them, such as SCAN. */
  masters(): Redis[] {
    return this.client instanceof Cluster ? this.client.nodes('master') : [this.client];
  }

  /** @internal Names the server that takes the writes of a key; the same for all but on a Cluster. */
  placeOf(key: string): string {
    return this.client instanceof Cluster ? String(this.client.slots[slotOf(key)]?.[0] ?? '') : '';
  }

  /** @internal For classic subscriptions; made when first used. */
  get subscriber(): Subscriber {
    return this.#links.subscriber;
  }

  /** @internal Reports each key with one of these prefixes that anybody writes, or that expires or is evicted. */
  track(prefixes: readonly string[]): InvalidationTracker {
    return this.#links.track(prefixes);
  }

  /**
   * @internal Sends a command that waits on the server, such as BLPOP or XREADGROUP, on a connection of its own.
   *
   * @param waitMs how long the command itself asks to wait
   */
  callBlocking(name: string, args: readonly CommandArgument[], waitMs: number): Promise<unknown> {
    return this.#links.blocking.call(name, args, waitMs);
  }

  /**
   * @internal Runs a script, and then waits (WAIT) until replicas have what it has written, on a connection of its own. Settles
   * within `waitMs` and the command timeout; it has run when this resolves. Its keys must share a hash tag.
   */
  runAndWait(
    script: RedisScript,
    keys: readonly string[],
    args: readonly CommandArgument[],
    wait: ReplicaWait,
  ): Promise<ReplicatedReply> {
    return this.#links.blocking.runAndWait(script, keys, args, wait);
  }

  /** @internal Connects, without waiting for it. */
  start(): void {
    if (this.client.status === 'wait') this.#connect();
  }

  /** @internal From now on the connection keeps the process alive. */
  hold(): void {
    this.#hold.hold();
  }

  /** @internal Lets in-flight commands settle, then closes every client. */
  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#links.close();
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, DRAIN_MS)));
    await Promise.race([this.#guard.drain(), patience]);
    clearTimeout(timer);
    this.#guard.close();
    this.client.disconnect();
    this.#status.closed();
  }

  #connect(): void {
    // A failed attempt is reported by the events below, and tried again from there.
    this.client.connect().catch((error: Error) => (this.#lastError ??= error));
  }

  #watch(context: ClientContext): void {
    const { client } = this;
    client.on('error', (error: Error) => (this.#lastError = error));
    client.on('node error', (error: Error) => (this.#lastError = error));
    client.on('ready', () => {
      this.#lastError = undefined;
      this.#attempts = 0;
      // A handshake that went through is a probe that succeeded.
      this.#guard.breaker?.succeed();
      this.#status.up();
    });
    // A node of a Cluster has answered, on a connection that is not watched for that.
    client.on('refresh', () => this.#guard.breaker?.probeNow());
    client.on('close', () => this.#status.down(this.#reason()));
    client.on('reconnecting', () => context.hold.followReconnect(client));
    // ioredis gives up where it finds no address to connect to: no sentinel answers, or no host name resolves.
    client.on('end', () => {
      if (this.#closing) return;
      this.#status.down(this.#reason());
      context.hold.follow(
        setTimeout(() => this.#closing || this.#connect(), reconnectDelay(++this.#attempts, context)),
      );
    });
    followMasters(client, (detail) => this.#status.failover(detail));
  }

  #breakerChanged(): void {
    if (this.#guard.breaker?.state === 'open') {
      this.#watchForReply();
      this.#status.down(`${this.#guard.breaker.failures} calls in a row have failed.`);
    } else if (this.#guard.breaker?.state === 'closed' && this.client.status === 'ready') {
      this.#status.up();
    }
  }

  #reason(): string {
    const message = this.#lastError?.message ?? 'the server closed the connection';
    return `${message.replace(/\.$/, '')}.`;
  }
}

function describe(options: ResolvedServerConnection): string {
  switch (options.mode) {
    case 'standalone':
      return `standalone ${'path' in options.address ? options.address.path : `${options.address.host}:${options.address.port}`}`;
    case 'sentinel':
      return `sentinel group "${options.group}"`;
    case 'cluster':
      return `cluster at ${options.nodes.map(({ host, port }) => `${host}:${port}`).join(', ')}`;
  }
}
