import { groupBySlot } from '@nuthatch/redis/internal';
import type { ReadEntry, StoredEntries, StoredEntry, TagState } from './cache-driver.js';
import { readEntry, readHeaderStart, type EntryHeader } from './entry-text.js';
import { isWrongType, orNothing, type RedisCalls } from './redis-calls.js';
import type { RedisTags } from './redis-tags.js';

type Text = string | Buffer | null;

// Enough for a header without many tags.
const HEADER_BYTES = 256;

/** Reads entries, each with one command, also together with the state of the tags. */
export class RedisReads {
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

  async one(key: string, withTags: boolean): Promise<ReadEntry> {
    const { calls, tags } = this;
    let text: Text;
    let tagState: TagState | undefined;
    if (!withTags) {
      try {
        text = (await calls.callForValues('get', [key])) as Text;
      } catch (error) {
        if (!isWrongType(error)) throw error;
        text = null;
      }
    } else if (calls.clustered) {
      const [{ stored }, state] = await Promise.all([this.one(key, false), tags.state()]);
      return { stored, tagState: state };
    } else {
      const texts = (await calls.callForValues('mget', [key, tags.key])) as [Text, Text];
      text = texts[0];
      tagState = tags.stateOf(texts[1]);
    }
    const stored = readEntry(text);
    return { stored: isUnreadBytes(stored) ? await this.bytes(key) : stored, tagState };
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
