import { randomInt } from 'node:crypto';
import { RedisScript, type ServerConnection } from '@nuthatch/redis/internal';
import { parseMessage, type ChangeMessage } from './change-message.js';

/** The most messages that one read returns. */
export const PAGE = 200;

const KEYS_PER_MESSAGE = 100;
const MESSAGES_PER_CALL = 50;
const MESSAGES_KEPT = 10_000;
const MESSAGES_KEPT_MS = 10 * 60_000;
const LAST_ID_KEPT_MS = 24 * 60 * 60_000;
const MOST_RANDOM = 2 ** 48 - 1;

/** What the log of changes has beyond a message that the reader knows. */
export interface ChangePage {
  /** The ID of the last message in the log. */
  readonly last: string;
  /** Undefined: one that nobody of ours has written. */
  readonly messages: readonly (ChangeMessage | undefined)[];
}

/** The log of changes in Redis, in which processes read what they have missed, and the channel that spreads it at once. */
export class ChangeLog {
  readonly channel: string;
  readonly #keys: readonly [last: string, log: string];
  readonly #announce = RedisScript.load(new URL('./announce.lua', import.meta.url), { keys: 2 });
  readonly #readChanges = RedisScript.load(new URL('./read-changes.lua', import.meta.url), { keys: 2 });

  /** @param root begins all keys and the channel */
  constructor(
    private readonly connection: ServerConnection,
    root: string,
  ) {
    this.channel = `${root}{changes}`;
    this.#keys = [`${root}{changes}`, `${root}{changes}:log`];
  }

  /** @throws RedisUnreachableError, RedisTimeoutError; some of the keys may have been announced then. */
  async append(keys: readonly string[]): Promise<void> {
    const messages = chunksOf(keys, KEYS_PER_MESSAGE).map((chunk) => JSON.stringify(chunk));
    await Promise.all(chunksOf(messages, MESSAGES_PER_CALL).map((chunk) => this.#append(chunk)));
  }

  /** @param known the ID of a message; undefined: only the ID of the last one is read */
  async read(known: string | undefined): Promise<ChangePage> {
    const args = [randomInt(MOST_RANDOM), LAST_ID_KEPT_MS, known ?? '', PAGE];
    const reply = await this.connection.run(this.#readChanges, this.#keys, args, { idempotent: true });
    const [last, messages] = reply as [string, string[]];
    return { last, messages: messages.map(parseMessage) };
  }

  async #append(messages: readonly string[]): Promise<void> {
    const limits = [MESSAGES_KEPT, MESSAGES_KEPT_MS, LAST_ID_KEPT_MS];
    const args = [this.channel, randomInt(MOST_RANDOM), ...limits, ...messages];
    // Announced twice is as good as once.
    await this.connection.run(this.#announce, this.#keys, args, { idempotent: true });
  }
}

function chunksOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size));
}
