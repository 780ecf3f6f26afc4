import { RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';
import type { CommandArgument, ReplicaWait, ServerConnection } from '@nuthatch/redis/internal';
import { LockScripts, type LockScriptName } from './lock-scripts.js';
import type { CallReply } from './turn-batch.js';
import { StoreClocks } from './store-clocks.js';

const TRIES = 3;
const TOO_LATE = -1;

export interface CallTerms {
  /** When the caller gives up, on the clock of `performance.now()`: afterwards the script does nothing. @default it does what it can */
  readonly giveUpAt?: number;
  /** Whether an earlier call may have run it. @default false */
  readonly hasRun?: boolean;
  /** What is said otherwise where the reply of a first run may have been lost. */
  readonly again?: (args: CommandArgument[]) => unknown;
}

/** Runs the scripts of locks. */
export class LockCalls {
  readonly #scripts = new LockScripts();
  readonly #clocks: StoreClocks;
  readonly #ends: (() => void)[];

  /** @param timeoutMs how long a call waits for Redis */
  constructor(
    private readonly connection: ServerConnection,
    private readonly timeoutMs: number,
  ) {
    this.#clocks = new StoreClocks((key) => this.#askTime(key));
    const forget = (): void => this.#clocks.reset();
    this.#ends = [connection.on('failover', forget), connection.on('up', forget)];
  }

  close(): void {
    for (const end of this.#ends.splice(0)) end();
  }

  /**
   * Runs a script, and once more where the connection was lost on the way: one that has run before does nothing more. A server whose
   * clock was set, or that has just taken over, is told the time of giving up anew.
   *
   * @param args without the time of giving up
   */
  async run(
    name: LockScriptName,
    keys: readonly string[],
    args: CommandArgument[],
    { giveUpAt, again, hasRun = false }: CallTerms,
  ): Promise<readonly CallReply[]> {
    const script = this.#scripts.of(name);
    const [key] = keys as readonly [string];
    const endsAt = giveUpAt ?? performance.now() + this.timeoutMs;
    let mayHaveRun = hasRun;
    let refusals = 0;
    for (;;) {
      const place = this.connection.placeOf(key);
      let operands = args;
      try {
        if (giveUpAt !== undefined) {
          const said = this.#clocks.at(place, key, giveUpAt);
          operands = [typeof said === 'number' ? said : await said, ...args];
        }
        const left = endsAt - performance.now();
        if (left < 1) throw this.#tooLate(name);
        // Mostly the same, as the deadlines of a client stand in one line for each length.
        const timeoutMs = left > this.timeoutMs - 2 ? this.timeoutMs : Math.floor(left);
        const reply = (await this.connection.run(script, keys, operands, { timeoutMs })) as readonly CallReply[];
        if (reply[0] !== TOO_LATE) return reply;
        this.#clocks.note(place, reply[1] as number);
        if (++refusals === TRIES) throw this.#tooLate(name);
      } catch (error) {
        if (!isLost(error)) throw mayHaveRun ? withUnknownOutcome(error) : error;
        mayHaveRun = true;
        again?.(args);
      }
    }
  }

  /** The same once, and then waits until replicas have what it has written. */
  async runAndWait(
    name: LockScriptName,
    key: string,
    args: readonly CommandArgument[],
    giveUpAt: number,
    wait: ReplicaWait,
  ): Promise<{ readonly reply: readonly CallReply[]; readonly replicas: number }> {
    const place = this.connection.placeOf(key);
    const deadline = await this.#clocks.at(place, key, giveUpAt);
    const result = await this.connection.runAndWait(this.#scripts.of(name), [key], [deadline, ...args], wait);
    const reply = result.reply as readonly CallReply[];
    if (reply[0] === TOO_LATE) throw this.#tooLate(name);
    return { reply, replicas: result.replicas };
  }

  /** The time of the server of a key at a moment on the clock of `performance.now()`, in microseconds, and rather too early. */
  async timeOf(key: string, moment: number): Promise<number> {
    return this.#clocks.at(this.connection.placeOf(key), key, moment);
  }

  async #askTime(key: string): Promise<number> {
    // A script names a key: TIME itself names none, and on a Cluster would be asked of any server.
    const options = { timeoutMs: this.timeoutMs, idempotent: true };
    return (await this.connection.run(this.#scripts.of('time'), [key], [], options)) as number;
  }

  #tooLate(name: string): RedisTimeoutError {
    return new RedisTimeoutError(this.connection.name, name, this.timeoutMs, 'not-executed');
  }
}

function isLost(error: unknown): boolean {
  return error instanceof RedisUnreachableError && error.outcome === 'unknown';
}

/** That the last of several runs was not executed says nothing of those before. */
function withUnknownOutcome(error: unknown): unknown {
  if (error instanceof RedisTimeoutError)
    return new RedisTimeoutError(error.connection, error.command, error.timeoutMs, 'unknown');
  if (!(error instanceof RedisUnreachableError)) return error;
  return new RedisUnreachableError(error.connection, 'the connection was lost.', 'unknown', { cause: error });
}
