import type { CommandArgument, RedisScript, RunOptions, ServerConnection } from '@nuthatch/redis/internal';

/** Options of calls, made once. A replica may not have heard of an invalidation yet, so none is asked. */
interface Calls {
  readonly text: RunOptions;
  readonly bytes: RunOptions;
  readonly idempotent: RunOptions;
}

/** Sends what a cache asks of Redis: to masters only, and within the time that a cache waits. */
export class RedisCalls {
  readonly #timely: Calls;
  readonly #patient = callsWithin(undefined);

  /**
   * @param timeoutMs how long a call waits for Redis
   * @param binary whether values may be bytes
   */
  constructor(
    private readonly connection: ServerConnection,
    timeoutMs: number,
    private readonly binary: boolean,
  ) {
    this.#timely = callsWithin(timeoutMs);
  }

  get clustered(): boolean {
    return this.connection.mode === 'cluster';
  }

  /** The reply is text. */
  call(name: string, args: readonly CommandArgument[]): Promise<unknown> {
    return this.connection.call(name, args, this.#calls.text);
  }

  /** The reply holds values: bytes where they may be, or where the caller knows that they are. */
  callForValues(name: string, args: readonly CommandArgument[], binary = this.binary): Promise<unknown> {
    const calls = this.#calls;
    return this.connection.call(name, args, binary ? calls.bytes : calls.text);
  }

  /** The reply may hold values. */
  run(script: RedisScript, keys: string[], args: readonly CommandArgument[]): Promise<unknown> {
    const calls = this.#calls;
    return this.connection.run(script, keys, args, this.binary ? calls.bytes : calls.text);
  }

  /** The reply is text, and to run twice does no harm. */
  runAgain(script: RedisScript, keys: string[], args: readonly CommandArgument[]): Promise<unknown> {
    return this.connection.run(script, keys, args, this.#calls.idempotent);
  }

  /** While the first connection is being made, there is something to wait for. */
  get #calls(): Calls {
    return this.connection.state === 'connecting' ? this.#patient : this.#timely;
  }
}

/** Something that is no string may stand under a key of ours: then there is no entry, which is no reason to fail. */
export async function orNothing(reply: Promise<unknown>): Promise<unknown> {
  try {
    return await reply;
  } catch (error) {
    if (isWrongType(error)) return null;
    throw error;
  }
}

export function isWrongType(error: unknown): boolean {
  return error instanceof Error && /\bWRONGTYPE\b/.test(error.message);
}

function callsWithin(timeoutMs: number | undefined): Calls {
  const text: RunOptions = { fromMaster: true, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
  return { text, bytes: { ...text, reply: 'buffer' }, idempotent: { ...text, idempotent: true } };
}
