import { RedisScript, type ServerConnection } from '@nuthatch/redis/internal';
import { encodeNews, newsChannel } from '../news/news-message.js';
import { MOST_OVERRIDES, type OverrideStore } from './override-store.js';

const VERSION_FIELD = ':version';
// A hash of that size is read as fast as it is compared.
const ALWAYS_READ = 200;
// A year without any process, and they are gone: nothing in Redis lives for ever.
const KEPT_MS = 365 * 24 * 60 * 60_000;

/** Overrides in Redis, in one hash. Whoever writes there by hand, and has more than 200, must change `:version` too. */
export class RedisOverrideStore implements OverrideStore {
  readonly #key: string;
  readonly #channel: string;
  readonly #read = RedisScript.load(new URL('./read-overrides.lua', import.meta.url), { keys: 1 });
  readonly #set = RedisScript.load(new URL('./set-override.lua', import.meta.url), { keys: 1 });
  #version = '';
  #fields = 0;

  /** @param root begins every key */
  constructor(
    private readonly connection: ServerConnection,
    root: string,
  ) {
    this.#key = `${root}overrides`;
    this.#channel = newsChannel(root);
  }

  async read(): Promise<ReadonlyMap<string, string> | undefined> {
    const args = [this.#version, this.#fields, ALWAYS_READ, KEPT_MS];
    const reply = await this.connection.run(this.#read, [this.#key], args, { idempotent: true });
    const [version, fields, flat] = reply as [string, number, string[] | null];
    this.#version = version;
    this.#fields = fields;
    if (!flat) return undefined;
    const all = new Map<string, string>();
    for (let index = 0; index < flat.length; index += 2) all.set(flat[index]!, flat[index + 1]!);
    all.delete(VERSION_FIELD);
    return all;
  }

  async set(field: string, json: string): Promise<boolean> {
    return (await this.#write(field, json)) === 1;
  }

  async delete(field: string): Promise<void> {
    await this.#write(field, '');
  }

  #write(field: string, json: string): Promise<unknown> {
    const args = [field, json, MOST_OVERRIDES, KEPT_MS, this.#channel, encodeNews({ kind: 'overrides' })];
    return this.connection.run(this.#set, [this.#key], args, { idempotent: true });
  }
}
