import { randomBytes } from 'node:crypto';
import { groupBySlot, RedisScript, type ServerConnection } from '@nuthatch/redis/internal';
import { openChangeFeed } from '../coherence/open-change-feed.js';
import type {
  CacheDriver,
  LeaseKind,
  LeaseReply,
  Refuse,
  StoredEntries,
  StoredValue,
  TagChanges,
  TagState,
  Take,
} from './cache-driver.js';
import type { ChangeFeed } from './change-feed.js';
import { entryText, leaseText, readEntry, versionPrefix, type EntryHeader } from './entry-text.js';
import { isWrongType, RedisCalls } from './redis-calls.js';
import { isUnreadBytes, RedisReads } from './redis-reads.js';
import { RedisTags } from './redis-tags.js';
import { scanMasters } from './scan-masters.js';
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

// Of more leases than that nobody waits at a time.
const MAX_MET = 1_000;

/** Entries as strings in Redis. */
export class RedisCacheDriver implements CacheDriver {
  readonly #calls: RedisCalls;
  readonly #reads: RedisReads;
  readonly #tags: RedisTags;
  readonly #clock: ServerClock;
  #setReturnsOld = true;
  /** The tokens of leases that this process was refused for once. */
  readonly #met = new Set<string>();
  /** Where the changes that this process makes are announced. */
  #feed: ChangeFeed | undefined;
  readonly #lease = load('lease', 1);
  readonly #fill = load('fill', 1);
  readonly #refill = load('refill', 2);
  readonly #renew = load('renew', 1);
  readonly #abandon = load('abandon', 1);
  readonly #expire = load('expire', 2);
  readonly #restore = load('restore', 1);

  constructor(
    private readonly connection: ServerConnection,
    private readonly options: RedisCacheDriverOptions,
  ) {
    this.#calls = new RedisCalls(connection, options.timeoutMs, options.binary);
    this.#tags = new RedisTags(options.root, this.#calls);
    this.#reads = new RedisReads(this.#calls, this.#tags);
    this.#clock = new ServerClock(async () => {
      const [seconds, microseconds] = (await this.#calls.call('time', [])) as [string, string];
      return Number(seconds) * 1_000 + Number(microseconds) / 1_000;
    });
    connection.on('up', () => void this.#clock.sample().catch(() => 'sampled again at the next reconnect'));
  }

  get tagKey(): string {
    return this.#tags.key;
  }

  now(): number {
    return this.#clock.now();
  }

  ready(): Promise<void> | undefined {
    return this.#clock.ready();
  }

  read(keys: readonly string[], withTags: boolean): Promise<StoredEntries> {
    return this.#reads.many(keys, withTags);
  }

  readOne<R>(key: string, withTags: boolean, take: Take<R>, refuse?: Refuse<R>): Promise<R> {
    return this.#reads.one(key, withTags, take, refuse);
  }

  headers(keys: readonly string[]): Promise<(EntryHeader | undefined)[]> {
    return this.#reads.headers(keys);
  }

  async lease(key: string, token: string, leaseMs: number, over?: string): Promise<LeaseReply> {
    if (over === undefined && this.#setReturnsOld) {
      const reply = await this.#leaseBySet(key, token, leaseMs);
      if (reply) return reply;
    }
    const dead = over === undefined ? '' : versionPrefix(over);
    const reply = (await this.#calls.run(this.#lease, [key], [leaseText(token), leaseMs, dead])) as
      [string | Buffer, number] | null;
    if (reply === null) return { state: 'granted' };
    let stored = readEntry(reply[0]);
    if (isUnreadBytes(stored)) stored = await this.#reads.bytes(key);
    if (stored.state === 'value') return stored;
    if (stored.state === 'lease') return { state: 'busy', token: stored.token, forMs: reply[1] };
    await this.delete([key]);
    return this.lease(key, token, leaseMs, over);
  }

  async fill(key: string, token: string, entry: StoredValue): Promise<boolean> {
    const args = [leaseText(token), entryText(entry), lifeOf(entry)];
    const filled = await this.#announced(this.#calls.run(this.#fill, [key], args), [key]);
    return filled === 1;
  }

  async leaseRefresh(key: string, token: string, leaseMs: number): Promise<boolean> {
    return (await this.#calls.call('set', [this.#refreshKey(key), leaseText(token), 'PX', leaseMs, 'NX'])) === 'OK';
  }

  async refill(key: string, token: string, version: string, entry: StoredValue): Promise<boolean> {
    const keys = [key, this.#refreshKey(key)];
    const args = [versionPrefix(version), leaseText(token), entryText(entry), lifeOf(entry)];
    const refilled = await this.#announced(this.#calls.run(this.#refill, keys, args), [key]);
    return refilled === 1;
  }

  async renew(key: string, token: string, kind: LeaseKind, leaseMs: number): Promise<boolean> {
    return (await this.#calls.run(this.#renew, [this.#leaseKey(key, kind)], [leaseText(token), leaseMs])) === 1;
  }

  async abandon(key: string, token: string, kind: LeaseKind): Promise<void> {
    await this.#calls.runAgain(this.#abandon, [this.#leaseKey(key, kind)], [leaseText(token)]);
    if (kind === 'placeholder') await this.#announced(undefined, [key]);
  }

  set(key: string, entry: StoredValue): Promise<void> {
    return this.#announced(this.#calls.call('set', [key, entryText(entry), 'PX', lifeOf(entry)]) as Promise<void>, [
      key,
    ]);
  }

  async restore(key: string, entry: StoredValue): Promise<boolean> {
    const args = [entryText(entry), lifeOf(entry), entry.header.writtenAt];
    const restored = await this.#announced(this.#calls.runAgain(this.#restore, [key], args), [key]);
    return restored === 1;
  }

  async delete(keys: readonly string[]): Promise<number> {
    const counts = await Promise.all(this.#groups(keys).map((group) => this.#calls.call('unlink', group)));
    await this.#announced(undefined, keys);
    return (counts as number[]).reduce((sum, count) => sum + count, 0);
  }

  async expire(keys: readonly string[]): Promise<number> {
    const nonce = randomBytes(6).toString('hex');
    const counts = await Promise.all(
      [...new Set(keys)].map((key) => this.#calls.runAgain(this.#expire, [key, this.#refreshKey(key)], [nonce])),
    );
    await this.#announced(undefined, keys);
    return (counts as number[]).reduce((sum, count) => sum + count, 0);
  }

  scan(glob: string): AsyncIterable<readonly string[]> {
    return scanMasters(this.connection, glob);
  }

  tagState(): Promise<TagState | undefined> {
    return this.#tags.state();
  }

  tagChanges(known: TagState | undefined): Promise<TagChanges> {
    return this.#tags.changes(known);
  }

  tagStamps(tags: readonly string[], epoch: string): Promise<number[] | undefined> {
    return this.#tags.stamps(tags, epoch);
  }

  async invalidateTags(tags: readonly string[]): Promise<TagState | undefined> {
    const state = await this.#tags.invalidate(tags);
    await this.#announced(undefined, [this.tagKey]);
    return state;
  }

  async forgetTags(): Promise<void> {
    await this.#tags.forget();
    await this.#announced(undefined, [this.tagKey]);
  }

  openFeed(scope: 'all' | 'tags'): ChangeFeed {
    const { root, coherence } = this.options;
    const feed = openChangeFeed(this.connection, root, coherence, scope === 'all' ? root : this.tagKey);
    this.#feed ??= feed;
    return feed;
  }

  /** The usual case without a script, for a fifth of its price; undefined when it takes the script. */
  async #leaseBySet(key: string, token: string, leaseMs: number): Promise<LeaseReply | undefined> {
    let text: string | Buffer | null;
    try {
      const reply = await this.#calls.callForValues('set', [key, leaseText(token), 'PX', leaseMs, 'NX', 'GET']);
      text = reply as string | Buffer | null;
    } catch (error) {
      // Before Redis 7 NX and GET do not go together.
      if (error instanceof Error && /\bsyntax error\b/.test(error.message)) this.#setReturnsOld = false;
      else if (!isWrongType(error)) throw error;
      return undefined;
    }
    if (text === null) return { state: 'granted' };
    const stored = readEntry(text);
    if (stored.state === 'lease') {
      // Nearly all are over within their first time. Of one that is not the script finds out whether it has an end at all.
      return this.#meets(stored.token) ? { state: 'busy', token: stored.token, forMs: leaseMs } : undefined;
    }
    return stored.state === 'value' && !isUnreadBytes(stored) ? stored : undefined;
  }

  /** @returns whether it is for the first time */
  #meets(token: string): boolean {
    if (this.#met.has(token)) return false;
    this.#met.add(token);
    if (this.#met.size > MAX_MET) this.#met.delete(this.#met.values().next().value!);
    return true;
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

  #leaseKey(key: string, kind: LeaseKind): string {
    return kind === 'placeholder' ? key : this.#refreshKey(key);
  }

  /** Beside the entry on a Cluster, and not among the keys that are tracked: nobody waits for a refresh. */
  #refreshKey(key: string): string {
    return `${this.options.root.slice(0, -1)}~refresh:{${key}}`;
  }

  #groups(keys: readonly string[]): readonly string[][] {
    const unique = [...new Set(keys)];
    return this.#calls.clustered ? groupBySlot(unique) : [unique];
  }
}

function load(name: string, keys: number): RedisScript {
  return RedisScript.load(new URL(`./${name}.lua`, import.meta.url), { keys });
}

function lifeOf({ header }: StoredValue): number {
  return header.ttlMs + header.graceMs;
}
