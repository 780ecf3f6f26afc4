import { Pipeline, type Callback, type Cluster, type Command } from 'ioredis';

type Result = [error: Error | null, result: unknown];

interface PipelineInternals {
  readonly _queue: (Command & { inTransaction: boolean; promise: Promise<unknown> })[];
}

/**
 * A pipeline of independent commands over a Cluster. ioredis 6.0.0 sends the whole pipeline to the target of an ASK, which
 * answers null for each key that has not moved yet; and it refuses keys of several nodes. Here every command is routed
 * and redirected by itself. They still leave in one write per node, because a socket holds its writes for the tick.
 * A transaction keeps the way of ioredis: it is for one slot, and it is all or nothing.
 */
export class ClusterPipeline extends Pipeline {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    super(cluster);
    this.#cluster = cluster;
  }

  override exec(callback?: Callback<Result[] | null>): Promise<Result[] | null> {
    const queue = (this as unknown as PipelineInternals)._queue;
    if (queue.some((command) => command.inTransaction)) return pipelineExec.call(this, callback);
    const results = Promise.all(queue.map((command) => this.#send(command)));
    if (callback) void results.then((value) => callback(null, value));
    return results;
  }

  async #send(command: Command): Promise<Result> {
    try {
      return [null, await this.#cluster.sendCommand(command)];
    } catch (error) {
      return [error as Error, undefined];
    }
  }
}

const pipelineExec = (Pipeline.prototype as unknown as { exec: ClusterPipeline['exec'] }).exec;
