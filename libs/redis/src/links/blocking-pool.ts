import { Command, type Redis } from 'ioredis';
import { guarded, TIMEOUT } from '../client/guarded-command.js';
import { RedisTimeoutError, RedisUnreachableError } from '../redis.errors.js';
import { runCommand, runScript, type CommandArgument } from '../scripts/command-runner.js';
import type { RedisScript } from '../scripts/redis-script.js';
import { slotOf } from '../slot.js';
import { redirectionOf } from './redirection.js';

// A client beyond this is closed after its call instead of kept.
const MOST_IDLE = 8;
// A slot that is given from hand to hand is found in one or two.
const MOST_REDIRECTIONS = 3;

/** What {@link BlockingPool.runAndWait} waits for. */
export interface ReplicaWait {
  /** How many replicas should have what the script has written; it does not wait for more. */
  readonly replicas: number;
  /** How long to wait for them, in milliseconds. */
  readonly waitMs: number;
  /** Whether the reply of the script says that there is something to wait for. @default always */
  readonly when?: (reply: unknown) => boolean;
}

export interface ReplicatedReply {
  /** Of the script. */
  readonly reply: unknown;
  /** How many replicas are known to have what it has written; 0 also when the connection was lost meanwhile, and when it was not waited. */
  readonly replicas: number;
}

/**
 * Runs commands that wait on the server, such as BLPOP and XREADGROUP, each on a connection of its own: on a shared one
 * it would hold up the next. Invariant: a call that has been rejected takes nothing off a list or stream afterwards; its
 * connection is closed with it, and Redis does not serve a client that has gone.
 */
export class BlockingPool {
  readonly #idle = new Map<string, Redis[]>();
  readonly #busy = new Set<Redis>();
  #closed = false;

  /**
   * @param place names the server that a command goes to
   * @param open makes a client for that server
   */
  constructor(
    private readonly commandTimeoutMs: number,
    private readonly place: (slot: number | null) => string,
    private readonly open: (place: string) => Redis,
  ) {}

  /**
   * @param waitMs how long the command itself asks to wait; it settles within that and the command timeout. There is no
   *   waiting for ever: a dead line would never be found.
   * @throws RedisTimeoutError, RedisUnreachableError, error replies (MOVED after a slot has moved: call again)
   */
  async call(name: string, args: readonly CommandArgument[], waitMs: number): Promise<unknown> {
    const command = new Command(name, [...args], { replyEncoding: 'utf8' });
    const ours = guarded(command);
    ours[TIMEOUT] = waitMs + this.commandTimeoutMs;
    const place = this.place((command as unknown as { getSlot(): number | null }).getSlot());
    const client = this.#take(place);
    try {
      client.sendCommand(command);
      const reply = await ours.promise;
      this.#giveBack(place, client);
      return reply;
    } catch (error) {
      this.#giveBack(place, client, error);
      throw error;
    }
  }

  /**
   * Runs a script, and then waits on the same connection until replicas have what it has written. Settles within `waitMs`
   * and the command timeout. It has run when this resolves, whatever became of the wait.
   *
   * @param keys at least one; they must share a hash tag
   * @throws RedisTimeoutError, RedisUnreachableError, error replies
   */
  async runAndWait(
    script: RedisScript,
    keys: readonly string[],
    args: readonly CommandArgument[],
    wait: ReplicaWait,
  ): Promise<ReplicatedReply> {
    const deadline = performance.now() + this.commandTimeoutMs;
    let target = { place: this.place(slotOf(keys[0]!)), asking: false };
    for (let redirections = 0; ; redirections++) {
      const { place, asking } = target;
      const client = this.#take(place);
      let reply: unknown;
      try {
        reply = await run(client, asking, script, keys, args, deadline);
      } catch (error) {
        this.#giveBack(place, client, error);
        const redirection = redirectionOf(error, place);
        if (!redirection || redirections === MOST_REDIRECTIONS) throw error;
        target = redirection;
        continue;
      }
      return { reply, replicas: await this.#waitFor(wait, reply, place, client, deadline) };
    }
  }

  close(): void {
    this.#closed = true;
    for (const client of [...this.#busy, ...[...this.#idle.values()].flat()]) client.disconnect();
    this.#idle.clear();
  }

  async #waitFor(
    { replicas, waitMs, when }: ReplicaWait,
    reply: unknown,
    place: string,
    client: Redis,
    deadline: number,
  ): Promise<number> {
    try {
      // 0 would wait for ever.
      const ms = Math.max(1, Math.ceil(waitMs));
      const worthIt = when === undefined || when(reply);
      const known = worthIt
        ? await runCommand(client, 'wait', [replicas, ms], { timeoutMs: leftUntil(deadline) + ms })
        : 0;
      this.#giveBack(place, client);
      return Number(known);
    } catch (error) {
      this.#giveBack(place, client, error);
      // The script has run, so its reply must not be lost with the answer to the second question.
      if (isLost(error) || isDemotion(error)) return 0;
      throw error;
    }
  }

  #take(place: string): Redis {
    const client = this.#idle.get(place)?.pop() ?? this.open(place);
    this.#busy.add(client);
    return client;
  }

  /** @param error what the call has failed with */
  #giveBack(place: string, client: Redis, error?: unknown): void {
    this.#busy.delete(client);
    const idle = this.#idle.get(place) ?? [];
    if (this.#closed || idle.length >= MOST_IDLE || isLost(error)) return client.disconnect();
    idle.push(client);
    this.#idle.set(place, idle);
  }
}

async function run(
  client: Redis,
  asking: boolean,
  script: RedisScript,
  keys: readonly string[],
  args: readonly CommandArgument[],
  deadline: number,
): Promise<unknown> {
  const timeoutMs = leftUntil(deadline);
  if (!asking) return runScript(client, script, keys, args, { timeoutMs });
  // ASKING counts for one command only, so there is no second try by the text of the script.
  const [, reply] = await Promise.all([
    runCommand(client, 'asking', [], { timeoutMs }),
    runCommand(client, 'eval', [script.source, keys.length, ...keys, ...args], { timeoutMs }),
  ]);
  return reply;
}

function leftUntil(deadline: number): number {
  return Math.max(1, deadline - performance.now());
}

/** Whether a reply may still come, to somebody else's question. */
function isLost(error: unknown): boolean {
  return error instanceof RedisTimeoutError || error instanceof RedisUnreachableError;
}

/** Replied to who waits on a master that becomes a replica. */
function isDemotion(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('UNBLOCKED');
}
