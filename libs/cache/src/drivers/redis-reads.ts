import { groupBySlot } from '@nuthatch/redis/internal';
import type { ReadEntry, Refuse, StoredEntries, StoredEntry, TagState, Take } from './cache-driver.js';
import { readEntry, readHeaderStart, type EntryHeader } from './entry-text.js';
import { ReadBatch } from './read-batch.js';
import { isWrongType, orNothing, type RedisCalls } from './redis-calls.js';
import type { RedisTags } from './redis-tags.js';

type Text = string | Buffer | null;

// Enough for a header without many tags.
const HEADER_BYTES = 256;
const MOST_IN_BATCH = 100;

/** Reads entries, each with one command, also together with the state of the tags. */
export class RedisReads {
  #batch: ReadBatch | undefined;
  /** Commands that have not been answered. */
  #underWay = 0;

  constructor(
    private readonly calls: RedisCalls,
    private readonly tags: RedisTags,
  ) {}

  async many(keys: readonly string[], withTags: boolean): Promise<StoredEntries> {
    const [texts, tagState] = await this.#texts(keys, withTags);
    const entries = texts.map(readEntry);
    for (const [index, stored] of entries.entries()) {
      if (isUnreadBytes(stored)) entries[index] = await this.bytes(keys[index]!);
    }
    return { entries, tagState };
  }

  /** Reads of one turn of the event loop leave as one command: they would leave together anyway, and so cost a third. */
  one<R>(key: string, withTags: boolean, take: Take<R>, refuse?: Refuse<R>): Promise<R> {
    if (this.calls.clustered) return this.#alone(key, withTags).then(take, refuse);
    // A caller on its own need not wait for others to come.
    if (this.#underWay === 0 && !this.#batch) return this.#first(key, withTags, take, refuse);
    if (this.#batch && this.#batch.keys.length >= MOST_IN_BATCH) this.#sendBatch();
    if (!this.#batch) {
      this.#batch = new ReadBatch();
      process.nextTick(this.#sendBatch);
    }
    return this.#batch.add(key, withTags, take, refuse);
  }

  headers(keys: readonly string[]): Promise<(EntryHeader | undefined)[]> {
    return Promise.all(
      keys.map(async (key) => {
        const start = (await orNothing(this.calls.call('getrange', [key, 0, HEADER_BYTES - 1]))) as string | null;
        const header = start === null ? undefined : readHeaderStart(start);
        if (header !== null) return header;
        const stored = readEntry((await orNothing(this.calls.call('get', [key]))) as string | null);
        return stored.state === 'value' ? stored.entry.header : undefined;
      }),
    );
  }

  /** What was written as bytes has to be read as bytes, also by a process that itself writes text. */
  async bytes(key: string): Promise<StoredEntry> {
    return readEntry((await orNothing(this.calls.callForValues('get', [key], true))) as Buffer | null);
  }

  #first<R>(key: string, withTags: boolean, take: Take<R>, refuse: Refuse<R> | undefined): Promise<R> {
    const { calls, tags } = this;
    this.#underWay += 1;
    const reply = withTags ? calls.callForValues('mget', [key, tags.key]) : calls.callForValues('get', [key]);
    return reply.then(
      (texts) => {
        this.#underWay -= 1;
        const read = withTags
          ? this.#entry(key, (texts as Text[])[0]!, tags.stateOf((texts as Text[])[1]!))
          : this.#entry(key, texts as Text, undefined);
        return read instanceof Promise ? read.then(take, refuse) : take(read);
      },
      (error) => {
        this.#underWay -= 1;
        // GET says so, MGET does not.
        if (isWrongType(error)) return take({ stored: { state: 'absent' }, tagState: undefined });
        if (refuse) return refuse(error);
        throw error;
      },
    );
  }

  readonly #sendBatch = (): void => {
    const batch = this.#batch;
    this.#batch = undefined;
    if (batch) void this.#perform(batch);
  };

  async #perform(batch: ReadBatch): Promise<void> {
    const { calls, tags } = this;
    const { keys, withTags } = batch;
    this.#underWay += 1;
    try {
      const texts = (await calls.callForValues('mget', withTags ? [...keys, tags.key] : keys)) as Text[];
      const tagState = withTags ? tags.stateOf(texts[keys.length]!) : undefined;
      batch.resolve((index) => this.#entry(keys[index]!, texts[index]!, tagState));
    } catch (error) {
      batch.reject(error);
    } finally {
      this.#underWay -= 1;
    }
  }

  /** On a Cluster most keys of a turn are of different slots. */
  async #alone(key: string, withTags: boolean): Promise<ReadEntry> {
    const reply = orNothing(this.calls.callForValues('get', [key]));
    if (!withTags) return this.#entry(key, (await reply) as Text, undefined);
    const [text, tagState] = await Promise.all([reply, this.tags.state()]);
    return this.#entry(key, text as Text, tagState);
  }

  #entry(key: string, text: Text, tagState: TagState | undefined): ReadEntry | Promise<ReadEntry> {
    const stored = readEntry(text);
    return isUnreadBytes(stored)
      ? this.bytes(key).then((bytes) => ({ stored: bytes, tagState }))
      : { stored, tagState };
  }

  async #texts(keys: readonly string[], withTags: boolean): Promise<[Text[], TagState | undefined]> {
    const { calls, tags } = this;
    if (!calls.clustered) {
      const texts = (await calls.callForValues('mget', withTags ? [...keys, tags.key] : keys)) as Text[];
      return [texts.slice(0, keys.length), withTags ? tags.stateOf(texts[keys.length]!) : undefined];
    }
    const state = withTags ? tags.state() : undefined;
    const groups = groupBySlot([...new Set(keys)]);
    const replies = Promise.all(groups.map((group) => calls.callForValues('mget', group)));
    const [lists, tagState] = (await Promise.all([replies, state])) as [Text[][], TagState?];
    const texts = new Map(groups.flatMap((group, at) => group.map((key, index) => [key, lists[at]![index]!] as const)));
    return [keys.map((key) => texts.get(key) ?? null), tagState];
  }
}

/** Of an entry of bytes that has come as text. */
export function isUnreadBytes(stored: StoredEntry): boolean {
  if (stored.state !== 'value' || stored.entry.header.format === '' || typeof stored.entry.body !== 'string')
    return false;
  return /(^|;)[zk]=/.test(stored.entry.header.format);
}
