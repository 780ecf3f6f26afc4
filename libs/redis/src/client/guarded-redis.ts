import { inspect } from 'node:util';
import { Redis, type Command, type RedisOptions } from 'ioredis';
import type { CommandGuard } from './command-guard.js';
import { FROM_MASTER, guarded, ON_REPLICA, WRITTEN } from './guarded-command.js';
import { isReadOnly } from './idempotent-commands.js';
import { redact } from './redact.js';
import { watchSilence } from './silence-watch.js';

type Stream = Parameters<Redis['sendCommand']>[1];
type CommandItem = Parameters<Redis['handleReconnection']>[1];

// ioredis sends these itself while it sets a connection up, before any command of a caller may pass.
const HANDSHAKE = new Set(['auth', 'hello', 'select', 'client', 'readonly', 'info']);
const REPLICA_RETRY_MS = 1_000;

/** An ioredis client for one server or a Sentinel group, of which every command settles by its deadline. */
export class GuardedRedis extends Redis {
  readonly #guard: CommandGuard;
  #replica: GuardedRedis | undefined;
  #wantsReplica = false;

  /** @param silenceMs without a byte for this long while a reply is due the link counts as dead */
  constructor(redisOptions: RedisOptions, guard: CommandGuard, silenceMs: number) {
    const { replyMapping: _legacy, ...options } = redisOptions;
    super({
      ...options,
      lazyConnect: true,
      // Zero: whatever waits or is in flight is rejected as soon as the socket dies or an attempt fails. With the
      // default, or with autoResend off, ioredis 6.0.0 leaves some of these promises pending for ever.
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
    });
    this.#guard = guard;
    watchSilence(this, silenceMs);
  }

  /** Neither printing nor serialising the client may give away its options, which hold the password. */
  [inspect.custom](): string {
    return `GuardedRedis { status: '${this.status}' }`;
  }

  toJSON(): object {
    return { status: this.status };
  }

  override sendCommand(command: Command, stream?: Stream): unknown {
    if (this.status === 'connect' && !stream && HANDSHAKE.has(command.name)) return super.sendCommand(command, stream);
    const ours = guarded(command);
    const ready = this.status === 'ready';
    if (this.#guard.admit(ours, ready) === 'refused') return ours.promise;
    if (this.#replica?.status === 'ready' && !stream && !ours[FROM_MASTER] && isReadOnly(ours)) {
      ours[ON_REPLICA] = true;
      return this.#replica.sendCommand(command);
    }
    if (ready) ours[WRITTEN] = true;
    return super.sendCommand(command, stream);
  }

  /** Sends commands that only read, outside of pipelines, to a replica while it is up. It closes with this client. */
  readFrom(replica: GuardedRedis): void {
    this.#replica = replica;
    replica.on('error', (error) => this.emit('replicaError', error));
    // ioredis gives up where the sentinels know of no replica; one may come yet.
    replica.on('end', () => setTimeout(() => this.#wantsReplica && this.#connectReplica(), REPLICA_RETRY_MS).unref());
  }

  override async connect(): Promise<void> {
    this.#wantsReplica = true;
    this.#connectReplica();
    return super.connect();
  }

  override disconnect(reconnect = false): void {
    if (!reconnect) {
      this.#wantsReplica = false;
      this.#replica?.disconnect();
    }
    super.disconnect(reconnect);
  }

  override handleReconnection(error: Error, item: CommandItem): void {
    super.handleReconnection(redact(error), item);
  }

  #connectReplica(): void {
    this.#replica?.connect().catch((error) => this.emit('replicaError', error));
  }
}
