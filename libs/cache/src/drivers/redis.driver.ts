import { randomBytes } from 'node:crypto';
import { Cluster, type Redis } from 'ioredis';
import {
  groupBySlot,
  RedisScript,
  type CommandArgument,
  type RunOptions,
  type ServerConnection,
} from '@nuthatch/redis/internal';
import { openChangeFeed } from '../coherence/open-change-feed.js';
import type {
  CacheDriver,
  LeaseKind,
  LeaseReply,
  ReadEntry,
  StoredEntries,
  StoredEntry,
  StoredValue,
  TagChanges,
  TagState,
} from './cache-driver.js';
import type { ChangeFeed } from './change-feed.js';
import { entryText, leaseText, readEntry, readHeaderStart, versionPrefix, type EntryHeader } from './entry-text.js';
import { ServerClock } from './server-clock.js';

export interface RedisCacheDriverOptions {
  /** Begins every key. */
  readonly root: string;
  /** How long a call waits for Redis, in milliseconds. */
  readonly timeoutMs: number;
  /** Whether values may be bytes. */
  readonly binary: boolean;
  readonly coherence: 'tracking' | 'broadcast';
}

/** Options of calls, made once. A replica may not have heard of an invalidation yet, so none is asked. */
interface Calls {
  readonly text: RunOptions;
  readonly bytes: RunOptions;
  readonly idempotent: RunOptions;
}

const PATIENT = callsWithin(undefined);

function callsWithin(timeoutMs: number | undefined): Calls {
  const text: RunOptions = { fromMaster: true, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
  return { text, bytes: { ...text, reply: 'buffer' }, idempotent: { ...text, idempotent: true } };
}

// Enough for a header without many tags.
const HEADER_BYTES = 256;
const REMEMBERED_TAGS = 200_000;
const CHANGES_PER_CALL = 10_000;
const KEYS_PER_PAGE = 1_000;

/** Entries as strings in Redis. */
export class RedisCacheDriver implements CacheDriver {
  readonly tagKey: string;
  readonly #stampsKey: string;
  readonly #timely: Calls;
  readonly #clock: ServerClock;
  #setReturnsOld = true;
  /** Where the changes that this process makes are announced. */
  #feed: ChangeFeed | undefined;
  readonly #lease = load('lease', 1);
  readonly #fill = load('fill', 1);
  readonly #refill = load('refill', 2);
  readonly #renew = load('renew', 1);
  readonly #abandon = load('abandon', 1);
  readonly #expire = load('expire', 2);
  readonly #restore = load('restore', 1);
  readonly #invalidateTags = load('invalidate-tags', 2);
  readonly #tagChanges = load('tag-changes', 2);

  constructor(
    private readonly connection: ServerConnection,
    private readonly options: RedisCacheDriverOptions,
  ) {
    this.#timely = callsWithin(options.timeoutMs);
    this.tagKey = `${options.root}{tags}`;
    this.#stampsKey = `${options.root}{tags}:stamps`;
    this.#clock = new ServerClock(async () => {
      const [seconds, microseconds] = (await this.#call('time', [])) as [string, string];
      return Number(seconds) * 1_000 + Number(microseconds) / 1_000;
    });
    connection.on('up', () => void this.#clock.sample().catch(() => 'sampled again at the next reconnect'));
  }

  now(): number {
    return this.#clock.now();
  }

  ready(): Promise<void> | undefined {
    return this.#clock.ready();
  }

  async read(keys: readonly string[], withTags: boolean): Promise<StoredEntries> {
    const [texts, tagState] = await this.#readTexts(keys, withTags);
    const entries = texts.map(readEntry);
    for (const [index, stored] of entries.entries()) {
      if (isUnreadBytes(stored)) entries[index] = await this.#readBytes(keys[index]!);
    }
    return { entries, tagState };
  }

  async readOne(key: string, withTags: boolean): Promise<ReadEntry> {
    if (withTags) {
      const { entries, tagState } = await this.read([key], true);
      return { stored: entries[0]!, tagState };
    }
    let text: string | Buffer | null;
    try {
      text = (await this.#call('get', [key], this.#bytes)) as string | Buffer | null;
    } catch (error) {
      if (!isWrongType(error)) throw error;
      text = null;
    }
    const stored = readEntry(text);
    if (!isUnreadBytes(stored)) return { stored, tagState: undefined };
    return { stored: await this.#readBytes(key), tagState: undefined };
  }

  async headers(keys: readonly string[]): Promise<(EntryHeader | undefined)[]> {
    return Promise.all(
      keys.map(async (key) => {
        const start = (await orNothing(this.#call('getrange', [key, 0, HEADER_BYTES - 1]))) as string | null;
        const header = start === null ? undefined : readHeaderStart(start);
        if (header !== null) return header;
        const stored = readEntry((await orNothing(this.#call('get', [key]))) as string | null);
        return stored.state === 'value' ? stored.entry.header : undefined;
      }),
    );
  }

  async lease(key: string, token: string, leaseMs: number, over?: string): Promise<LeaseReply> {
    if (over === undefined && this.#setReturnsOld) {
      const reply = await this.#leaseBySet(key, token, leaseMs);
      if (reply) return reply;
    }
    const dead = over === undefined ? '' : versionPrefix(over);
    const reply = (await this.#run(this.#lease, [key], [leaseText(token), leaseMs, dead])) as
      [string | Buffer, number] | null;
    if (reply === null) return { state: 'granted' };
    let stored = readEntry(reply[0]);
    if (isUnreadBytes(stored)) stored = await this.#readBytes(key);
    if (stored.state === 'value') return stored;
    // A placeholder without an end would be one that somebody has persisted by hand.
    if (stored.state === 'lease')
      return { state: 'busy', token: stored.token, forMs: reply[1] < 0 ? leaseMs : reply[1] };
    await this.delete([key]);
    return this.lease(key, token, leaseMs, over);
  }

  async fill(key: string, token: string, entry: StoredValue): Promise<boolean> {
    const args = [leaseText(token), entryText(entry), lifeOf(entry)];
    const filled = await this.#announced(this.#run(this.#fill, [key], args), [key]);
    return filled === 1;
  }

  async leaseRefresh(key: string, token: string, leaseMs: number): Promise<boolean> {
    return (await this.#call('set', [this.#refreshKey(key), leaseText(token), 'PX', leaseMs, 'NX'])) === 'OK';
  }

  async refill(key: string, token: string, version: string, entry: StoredValue): Promise<boolean> {
    const keys = [key, this.#refreshKey(key)];
    const args = [versionPrefix(version), leaseText(token), entryText(entry), lifeOf(entry)];
    const refilled = await this.#announced(this.#run(this.#refill, keys, args), [key]);
    return refilled === 1;
  }

  async renew(key: string, token: string, kind: LeaseKind, leaseMs: number): Promise<boolean> {
    return (await this.#run(this.#renew, [this.#leaseKey(key, kind)], [leaseText(token), leaseMs])) === 1;
  }

  async abandon(key: string, token: string, kind: LeaseKind): Promise<void> {
    await this.#run(this.#abandon, [this.#leaseKey(key, kind)], [leaseText(token)], 'idempotent');
    if (kind === 'placeholder') await this.#announced(undefined, [key]);
  }

  set(key: string, entry: StoredValue): Promise<void> {
    return this.#announced(this.#call('set', [key, entryText(entry), 'PX', lifeOf(entry)]) as Promise<void>, [key]);
  }

  async restore(key: string, entry: StoredValue): Promise<boolean> {
    const args = [entryText(entry), lifeOf(entry), entry.header.writtenAt];
    const restored = await this.#announced(this.#run(this.#restore, [key], args, 'idempotent'), [key]);
    return restored === 1;
  }

  async delete(keys: readonly string[]): Promise<number> {
    const counts = await Promise.all(this.#groups(keys).map((group) => this.#call('unlink', group)));
    await this.#announced(undefined, keys);
    return (counts as number[]).reduce((sum, count) => sum + count, 0);
  }

  async expire(keys: readonly string[]): Promise<number> {
    const nonce = randomBytes(6).toString('hex');
    const counts = await Promise.all(
      [...new Set(keys)].map((key) => this.#run(this.#expire, [key, this.#refreshKey(key)], [nonce], 'idempotent')),
    );
    await this.#announced(undefined, keys);
    return (counts as number[]).reduce((sum, count) => sum + count, 0);
  }

  async *scan(glob: string): AsyncIterable<readonly string[]> {
    // Keys of a slot that has moved meanwhile may be missed on both servers: then all is done once more.
    for (let places = this.#places(), before = ''; places !== before; places = this.#places()) {
      before = places;
      for (const master of await this.#mastersInOrder()) {
        let cursor = '0';
        do {
          const [next, keys] = await master.scan(cursor, 'MATCH', glob, 'COUNT', KEYS_PER_PAGE);
          cursor = next;
          if (keys.length > 0) yield keys;
        } while (cursor !== '0');
      }
    }
  }

  async tagState(): Promise<TagState | undefined> {
    return readTagState((await this.#call('get', [this.tagKey])) as string | null);
  }

  async tagChanges(known: TagState | undefined): Promise<TagChanges> {
    const args = [newEpoch(), CHANGES_PER_CALL, known?.epoch ?? '', known?.seq ?? 0];
    const reply = await this.#run(this.#tagChanges, [this.tagKey, this.#stampsKey], args, 'idempotent');
    const [state, since, ...pairs] = reply as string[];
    const stamps: [string, number][] = [];
    for (let index = 0; index < pairs.length; index += 2) stamps.push([pairs[index]!, Number(pairs[index + 1])]);
    return { state: readTagState(state!)!, stamps, since: Number(since) };
  }

  async tagStamps(tags: readonly string[], epoch: string): Promise<number[] | undefined> {
    const members = [epochMember(epoch), ...tags];
    const [mark, ...stamps] = (await this.#call('zmscore', [this.#stampsKey, ...members])) as (string | null)[];
    return mark === null ? undefined : stamps.map((stamp) => Number(stamp ?? 0));
  }

  async invalidateTags(tags: readonly string[]): Promise<TagState | undefined> {
    const keys = [this.tagKey, this.#stampsKey];
    try {
      const reply = await this.#run(this.#invalidateTags, keys, [newEpoch(), REMEMBERED_TAGS, ...tags], 'idempotent');
      await this.#announced(undefined, [this.tagKey]);
      return readTagState(reply as string);
    } catch (error) {
      // A full server takes no stamps, but it lets go of all of them.
      if (!(error instanceof Error) || !/\bOOM\b/.test(error.message)) throw error;
      await this.forgetTags();
      return undefined;
    }
  }

  async forgetTags(): Promise<void> {
    await this.#call('unlink', [this.tagKey, this.#stampsKey]);
    await this.#announced(undefined, [this.tagKey]);
  }

  openFeed(scope: 'all' | 'tags'): ChangeFeed {
    const { root, coherence } = this.options;
    const feed = openChangeFeed(this.connection, root, coherence, scope === 'all' ? root : this.tagKey);
    this.#feed ??= feed;
    return feed;
  }

  async #readTexts(
    keys: readonly string[],
    withTags: boolean,
  ): Promise<[(string | Buffer | null)[], TagState | undefined]> {
    if (this.connection.mode !== 'cluster') {
      const names = withTags ? [...keys, this.tagKey] : keys;
      const texts = (await this.#call('mget', names, this.#bytes)) as (string | Buffer | null)[];
      return [texts.slice(0, keys.length), withTags ? readTagState(texts[keys.length]!) : undefined];
    }
    const state = withTags ? this.tagState() : undefined;
    const groups = this.#groups(keys);
    const replies = Promise.all(groups.map((group) => this.#call('mget', group, this.#bytes)));
    const [lists, tagState] = (await Promise.all([replies, state])) as [(string | Buffer | null)[][], TagState?];
    const texts = new Map(groups.flatMap((group, at) => group.map((key, index) => [key, lists[at]![index]!] as const)));
    return [keys.map((key) => texts.get(key) ?? null), tagState];
  }

  /** The usual case without a script, for a fifth of its price; undefined when it takes the script. */
  async #leaseBySet(key: string, token: string, leaseMs: number): Promise<LeaseReply | undefined> {
    let text: string | Buffer | null;
    try {
      const reply = await this.#call('set', [key, leaseText(token), 'PX', leaseMs, 'NX', 'GET'], this.#bytes);
      text = reply as string | Buffer | null;
    } catch (error) {
      // Before Redis 7 NX and GET do not go together.
      if (error instanceof Error && /\bsyntax error\b/.test(error.message)) this.#setReturnsOld = false;
      else if (!isWrongType(error)) throw error;
      return undefined;
    }
    if (text === null) return { state: 'granted' };
    const stored = readEntry(text);
    if (stored.state === 'lease') return { state: 'busy', token: stored.token, forMs: leaseMs };
    return stored.state === 'value' && !isUnreadBytes(stored) ? stored : undefined;
  }

  /** A value that was written as bytes has to be read as bytes, also by a process that itself writes text. */
  async #readBytes(key: string): Promise<StoredEntry> {
    return readEntry((await orNothing(this.#call('get', [key], 'buffer'))) as Buffer | null);
  }

  /** Tells the other processes once the change is made, where the server does not do that. */
  #announced<R>(change: Promise<R>, keys: readonly string[]): Promise<R>;
  #announced(change: undefined, keys: readonly string[]): Promise<void> | undefined;
  #announced<R>(change: Promise<R> | undefined, keys: readonly string[]): Promise<R | void> | undefined {
    const feed = this.#feed;
    if (!feed?.announces) return change;
    if (!change) return feed.announce(keys);
    return change.then((reply) => feed.announce(keys).then(() => reply));
  }

  #call(name: string, args: readonly CommandArgument[], reply?: 'buffer'): Promise<unknown> {
    return this.connection.call(name, args, reply ? this.#calls().bytes : this.#calls().text);
  }

  #run(script: RedisScript, keys: string[], args: readonly CommandArgument[], how?: 'idempotent'): Promise<unknown> {
    const calls = this.#calls();
    return this.connection.run(
      script,
      keys,
      args,
      how ? calls.idempotent : this.options.binary ? calls.bytes : calls.text,
    );
  }

  /** While the first connection is being made, there is something to wait for. */
  #calls(): Calls {
    return this.connection.state === 'connecting' ? PATIENT : this.#timely;
  }

  get #bytes(): 'buffer' | undefined {
    return this.options.binary ? 'buffer' : undefined;
  }

  #leaseKey(key: string, kind: LeaseKind): string {
    return kind === 'placeholder' ? key : this.#refreshKey(key);
  }

  /** Beside the entry on a Cluster, and not among the keys that are tracked: nobody waits for a refresh. */
  #refreshKey(key: string): string {
    return `${this.options.root.slice(0, -1)}~refresh:{${key}}`;
  }

  #groups(keys: readonly string[]): readonly string[][] {
    const unique = [...new Set(keys)];
    return this.connection.mode === 'cluster' ? groupBySlot(unique) : [unique];
  }

  /** Who serves what. */
  #places(): string {
    const { client } = this.connection;
    return client instanceof Cluster ? client.slots.map((nodes) => nodes?.[0]).join() : 'one place';
  }

  /** Those that are just receiving slots come last: a key on its way is then met where it leaves, or where it arrives. */
  async #mastersInOrder(): Promise<Redis[]> {
    const masters = this.connection.masters();
    if (this.connection.mode !== 'cluster') return masters;
    const nodes = await Promise.all(masters.map((master) => master.cluster('NODES') as Promise<string>));
    const receives = masters.map((_, index) => /myself.*\[\d+-<-/.test(nodes[index]!));
    return [...masters.filter((_, index) => !receives[index]), ...masters.filter((_, index) => receives[index])];
  }
}

function load(name: string, keys: number): RedisScript {
  return RedisScript.load(new URL(`./${name}.lua`, import.meta.url), { keys });
}

function lifeOf({ header }: StoredValue): number {
  return header.ttlMs + header.graceMs;
}

/** Stands among the stamps of an epoch, see invalidate-tags.lua; it has gone when they have. */
function epochMember(epoch: string): string {
  return `\0${epoch}`;
}

function newEpoch(): string {
  return randomBytes(6).toString('hex');
}

function readTagState(text: string | Buffer | null): TagState | undefined {
  const [, epoch, seq, floor] = /^(\w+)\.(\d+)\.(\d+)$/.exec(String(text ?? '')) ?? [];
  return epoch === undefined ? undefined : { epoch, seq: Number(seq), floor: Number(floor) };
}

/** Something that is no string may stand under a key of ours: then there is no entry, which is no reason to fail. */
async function orNothing(reply: Promise<unknown>): Promise<unknown> {
  try {
    return await reply;
  } catch (error) {
    if (isWrongType(error)) return null;
    throw error;
  }
}

function isWrongType(error: unknown): boolean {
  return error instanceof Error && /\bWRONGTYPE\b/.test(error.message);
}

function isUnreadBytes(stored: StoredEntry): boolean {
  if (stored.state !== 'value' || stored.entry.header.format === '' || typeof stored.entry.body !== 'string')
    return false;
  return /(^|;)[zk]=/.test(stored.entry.header.format);
}
