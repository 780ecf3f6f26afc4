import { inspect } from 'node:util';
import {
  Cluster,
  type Callback,
  type ChainableCommander,
  type ClusterNode,
  type ClusterOptions,
  type Command,
  type Redis,
} from 'ioredis';
import { ClusterPipeline } from './cluster-pipeline.js';
import type { CommandGuard } from './command-guard.js';
import { FROM_MASTER, guarded, WRITTEN } from './guarded-command.js';
import { isIdempotent } from './idempotent-commands.js';
import { redact } from './redact.js';
import { watchSilence } from './silence-watch.js';

type Stream = Parameters<Cluster['sendCommand']>[1];

const REDIRECTION = /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN) /;

/**
 * An ioredis Cluster client of which every command settles by its deadline. It follows redirections and waits out an
 * election until that deadline, but never sends a command again that a dying node may have run, unless it is idempotent.
 */
export class GuardedCluster extends Cluster {
  readonly #guard: CommandGuard;

  constructor(nodes: ClusterNode[], options: ClusterOptions, guard: CommandGuard, silenceMs: number) {
    const { redisOptions = {}, ...rest } = options;
    const { replyMapping: _legacy, ...node } = redisOptions;
    super(nodes, { ...rest, redisOptions: node, lazyConnect: true });
    this.#guard = guard;
    this.on('+node', (node: Redis) => {
      guardNode(node);
      watchSilence(node, silenceMs);
    });
  }

  /** Neither printing nor serialising the client may give away its options, which hold the password. */
  [inspect.custom](): string {
    return `GuardedCluster { status: '${this.status}' }`;
  }

  toJSON(): object {
    return { status: this.status };
  }

  override sendCommand(command: Command, stream?: Stream, node?: unknown): unknown {
    const ours = guarded(command);
    const admission = this.#guard.admit(ours, this.status === 'ready');
    if (admission === 'refused') return ours.promise;
    if (admission === 'again') return this.#send(command, stream, node);

    const settle = ours.reject;
    this.#send(command, stream, node);
    const redirect = ours.reject;
    if (redirect !== settle) {
      ours.reject = (error) => {
        // A redirection, unlike a cut, proves that the node did not run the command.
        if (error instanceof Error && REDIRECTION.test(error.message)) ours[WRITTEN] = false;
        const settled = ours[WRITTEN] && !isIdempotent(ours) ? settle : redirect;
        settled.call(ours, error);
      };
    }
    return ours.promise;
  }

  /** ioredis decides by an option of the client, which it reads at once, whether a replica may answer. */
  #send(command: Command, stream?: Stream, node?: unknown): unknown {
    const { scaleReads } = this.options;
    if (!guarded(command)[FROM_MASTER] || scaleReads === 'master') return super.sendCommand(command, stream, node);
    this.options.scaleReads = 'master';
    try {
      return super.sendCommand(command, stream, node);
    } finally {
      this.options.scaleReads = scaleReads!;
    }
  }

  // `never` fits every overload of ioredis, which differ only in types.
  /** Like that of ioredis, but within the deadline also while no node has answered yet. */
  override multi(...args: never[]): never {
    const transaction = (super.multi as (...args: never[]) => Transaction).apply(this, args);
    const { exec } = transaction;
    if (!exec) return transaction as never;
    transaction.exec = (callback) => {
      const result =
        this.slots.length > 0 ? exec.call(transaction) : this.#untilKnown().then(() => exec.call(transaction));
      if (callback) result.then((value) => callback(null, value), callback);
      return result;
    };
    return transaction as never;
  }

  /** PING settles by the deadline, and not before the Cluster is known or has been found to be away. */
  async #untilKnown(): Promise<void> {
    await this.ping();
  }

  /** Like that of ioredis, but each command follows its own redirection: see {@link ClusterPipeline}. */
  override pipeline(commands?: unknown[][]): ChainableCommander {
    const pipeline = new ClusterPipeline(this);
    if (commands) pipeline.addBatch(commands);
    return pipeline as unknown as ChainableCommander;
  }
}

interface Transaction {
  exec(callback?: Callback<unknown>): Promise<unknown>;
}

/** The nodes are made by ioredis itself, so they are guarded from outside. */
function guardNode(node: Redis): void {
  const send = node.sendCommand;
  const reconnect = node.handleReconnection;
  let asking = false;
  node.sendCommand = function (command, stream) {
    const ours = guarded(command);
    if (ours.isSettled) {
      // It ran out of time while it waited for a redirection. ASKING went out for it and would count for the next
      // command of somebody else: PING takes it.
      if (asking) {
        asking = false;
        node.ping().catch(() => 'the node is gone, and the flag with it');
      }
      return ours.promise;
    }
    asking = ours.name === 'asking';
    if (node.status === 'ready') ours[WRITTEN] = true;
    return send.call(node, command, stream);
  };
  node.handleReconnection = function (error, item) {
    reconnect.call(node, redact(error), item);
  };
}
