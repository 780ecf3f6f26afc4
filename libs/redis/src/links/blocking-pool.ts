import { Command, type Redis } from 'ioredis';
import { guarded, TIMEOUT } from '../client/guarded-command.js';
import { RedisTimeoutError, RedisUnreachableError } from '../redis.errors.js';
import type { CommandArgument } from '../scripts/command-runner.js';

// A client beyond this is closed after its call instead of kept.
const MOST_IDLE = 8;

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
    const client = this.#idle.get(place)?.pop() ?? this.open(place);
    this.#busy.add(client);
    try {
      client.sendCommand(command);
      const reply = await ours.promise;
      this.#keep(place, client);
      return reply;
    } catch (error) {
      if (error instanceof RedisTimeoutError || error instanceof RedisUnreachableError) client.disconnect();
      else this.#keep(place, client);
      throw error;
    } finally {
      this.#busy.delete(client);
    }
  }

  close(): void {
    this.#closed = true;
    for (const client of [...this.#busy, ...[...this.#idle.values()].flat()]) client.disconnect();
    this.#idle.clear();
  }

  #keep(place: string, client: Redis): void {
    const idle = this.#idle.get(place) ?? [];
    if (this.#closed || idle.length >= MOST_IDLE) return client.disconnect();
    idle.push(client);
    this.#idle.set(place, idle);
  }
}
