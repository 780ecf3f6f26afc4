import type { BeforeApplicationShutdown, OnApplicationBootstrap, OnModuleInit } from '@nestjs/common';
import type { ConnectionEvent, ConnectionState } from '@nuthatch/redis';
import { escapeGlob } from '@nuthatch/redis/internal';
import type { ResolvedCacheOptions } from './cache.options.js';
import type { CacheDriver } from './drivers/cache-driver.js';
import type { ChangeFeed } from './drivers/change-feed.js';
import { EntryReader } from './shared/entry-reader.js';
import { CacheLoader } from './load/cache-loader.js';
import { WakeUps } from './load/wake-ups.js';
import { EchoCheck } from './local/echo-check.js';
import { LocalTier } from './local/local-tier.js';
import { Journal } from './outage/journal.js';
import { RecentWrites } from './outage/recent-writes.js';
import { RedisTrouble } from './outage/redis-trouble.js';
import type { Scope } from './scope.js';
import { SharedTier } from './shared/shared-tier.js';
import { CacheCounters } from './stats/cache-stats.js';
import { TagMirror } from './tags/tag-mirror.js';
import { ValueFormat } from './value/value-format.js';
import { VersionStamps } from './shared/version-stamps.js';
import { WriteOrder } from './shared/write-order.js';

/** What a cache needs to know of its connection. */
export interface CacheConnection {
  readonly name: string;
  readonly mode: string;
  readonly state: ConnectionState;
  on(event: ConnectionEvent, listener: () => void): () => void;
}

const ECHO_BATCH_MS = 10;
const DRAIN_MS = 2_000;
// How long a change may go unseen that nobody announces.
const UNREPORTED_MS = 30_000;
const REPLAY_EVERY_MS = 250;
const START_WAIT_MS = 500;
// Together with the time in which a dead line is found this is still less than two seconds after a report was due.
const TRUST_MS = 1_500;

/** All that the namespaces of one cache share. */
export class CacheCore implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly local: LocalTier | undefined;
  readonly tags: TagMirror;
  readonly journal: Journal;
  readonly shared: SharedTier;
  readonly reader: EntryReader;
  readonly loader: CacheLoader;
  readonly trouble = new RedisTrouble();
  readonly order = new WriteOrder();
  readonly format: ValueFormat;
  /** Where a failover may lose writes that Redis has confirmed, the last of them are told again. */
  readonly recent: RecentWrites | undefined;
  readonly #echoes: EchoCheck;
  readonly #wakeUps: WakeUps;
  readonly #versions = new VersionStamps();
  readonly #counters = new Map<string, CacheCounters>();
  readonly #ends: (() => void)[] = [];
  #feed: ChangeFeed | undefined;
  /** When a key was written whose report has not come back yet. */
  readonly #sentAt = new Map<string, number>();
  coherenceLagMs: number | undefined;

  /** @param root begins every key */
  constructor(
    readonly driver: CacheDriver,
    readonly options: ResolvedCacheOptions,
    readonly root: string,
    private readonly connection: CacheConnection,
  ) {
    const { local, redisTimeoutMs } = options;
    const embedded = connection.mode === 'embedded';
    this.journal = new Journal(driver, `${escapeGlob(root)}*`);
    this.shared = new SharedTier(driver, this.journal, connection.name, redisTimeoutMs);
    this.tags = new TagMirror(driver);
    this.#echoes = new EchoCheck(driver, (slot) => this.local?.drop(slot), embedded ? 0 : ECHO_BATCH_MS);
    this.local = local ? new LocalTier(local, this.tags, (slot) => this.#echoes.add(slot)) : undefined;
    this.reader = new EntryReader(this.shared, this.tags, this.local, this.trouble);
    this.#wakeUps = new WakeUps(() => this.#borrowFeed());
    this.loader = new CacheLoader(this.shared, this.reader, this.local, this.tags, this.trouble, this.#wakeUps);
    this.format = new ValueFormat(options);
    this.recent = connection.mode === 'sentinel' || connection.mode === 'cluster' ? new RecentWrites() : undefined;
  }

  /** Begins to learn of changes by others. */
  onModuleInit(): void {
    const { local, coherence } = this.options;
    // A process that holds no entries follows the tags only, so that it knows their state when it writes one.
    if (coherence !== 'off') this.#follow(this.driver.openFeed(local ? 'all' : 'tags'));
    else if (this.local) this.local.trusted = true;
    // Also when nobody calls: a server that was slow says nothing by itself that it no longer is.
    const retry = setInterval(() => void this.#replay(), REPLAY_EVERY_MS).unref();
    this.#ends.push(
      () => clearInterval(retry),
      this.connection.on('up', () => void this.#replay()),
      this.connection.on('failover', () => this.#afterFailover()),
    );
  }

  /** Once the application has started, the tier in process works; unless Redis is away, for which no start waits. */
  async onApplicationBootstrap(): Promise<void> {
    const feed = this.#feed;
    if (!feed || feed.armed || this.connection.state === 'down') return;
    const ends: (() => void)[] = [];
    await new Promise<void>((resolve) => {
      const nothing = (): void => undefined;
      const timer = setTimeout(resolve, START_WAIT_MS);
      ends.push(
        () => clearTimeout(timer),
        feed.on({ armed: resolve, changed: nothing, gap: nothing }),
        this.connection.on('down', resolve),
      );
    });
    for (const end of ends) end();
  }

  /** Lets what is under way settle, and ends everything that runs on its own, before the connections close. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.loader.drain(DRAIN_MS);
    await this.#replay();
    for (const end of this.#ends.splice(0)) end();
    this.#feed?.close();
    this.#feed = undefined;
    this.#wakeUps.close();
    this.#echoes.close();
    if (this.local) this.local.trusted = false;
  }

  scope(namespace: string, revision = '', accept?: (value: unknown) => unknown): Scope {
    const prefix = `${this.root}${namespace}:`;
    let counters = this.#counters.get(namespace);
    if (!counters) this.#counters.set(namespace, (counters = new CacheCounters(this.root, namespace)));
    const index = this.local?.index(prefix, revision, accept) ?? new Map();
    return { namespace, prefix, format: this.format, counters, index, revision, accept, versions: this.#versions };
  }

  /** This process writes or removes the keys: nobody who comes from now on gets what was there before. */
  forget(names: readonly string[]): void {
    for (const name of names) this.forgetOne(name);
  }

  forgetOne(name: string): void {
    this.local?.forget(name);
    this.loader.forget(name);
  }

  /** Whether this process is told of every tag that is invalidated. */
  get followsTags(): boolean {
    return this.#feed?.armed === true;
  }

  noteSent(name: string): void {
    if (!this.#feed?.armed || this.#sentAt.size > 100) return;
    this.#sentAt.set(name, performance.now());
  }

  /** No report will come. */
  noteLost(name: string): void {
    this.#sentAt.delete(name);
  }

  #follow(feed: ChangeFeed): void {
    this.#feed = feed;
    const armed = (): void => {
      // While nothing was reported anything may have happened.
      this.local?.clear();
      this.tags.markStale();
      if (this.local) {
        this.local.maxAgeMs = feed.announces ? UNREPORTED_MS : Number.POSITIVE_INFINITY;
        this.local.trusted = true;
      }
      this.#catchUpTags();
    };
    const end = feed.on({
      changed: (names) => this.#changed(names),
      armed,
      gap: () => {
        if (this.local) this.local.trusted = false;
        this.tags.markStale();
        this.#sentAt.clear();
      },
    });
    this.#ends.push(end);
    if (feed.armed) armed();
    if (this.local && this.connection.mode !== 'embedded') this.#keepTrust(this.local, feed);
  }

  /** After a process has stood still, its sockets may speak before its timers do, and those find out that a line is dead. */
  #keepTrust(local: LocalTier, feed: ChangeFeed): void {
    const keep = (): void => {
      if (feed.armed) local.trustedUntil = performance.now() + TRUST_MS;
    };
    local.trustedUntil = 0;
    keep();
    const timer = setInterval(keep, TRUST_MS / 4).unref();
    this.#ends.push(
      () => clearInterval(timer),
      feed.on({ changed: () => undefined, armed: keep, gap: () => undefined }),
    );
  }

  #changed(names: readonly string[] | null): void {
    if (names === null) {
      this.local?.clear();
      this.tags.markStale();
      this.#catchUpTags();
      return;
    }
    for (const name of names) {
      if (name === this.driver.tagKey) {
        this.tags.markStale();
        this.#catchUpTags();
      } else this.local?.changed(name);
      this.#noteLag(name);
    }
  }

  #noteLag(name: string): void {
    const sentAt = this.#sentAt.get(name);
    if (sentAt === undefined) return;
    this.#sentAt.delete(name);
    this.coherenceLagMs = performance.now() - sentAt;
  }

  /** Before the next reader of a tagged entry has to wait for it. */
  #catchUpTags(): void {
    this.shared.run(() => this.tags.catchUp()).catch(() => 'tagged entries are read from Redis until it can be asked');
  }

  /** The feed of this process when it reports all keys; else one for as long as somebody waits. */
  #borrowFeed(): ChangeFeed {
    const feed = this.#feed;
    if (!feed || !this.local) return this.driver.openFeed('all');
    const ends: (() => void)[] = [];
    return {
      get armed() {
        return feed.armed;
      },
      announces: feed.announces,
      on: (listener) => {
        const end = feed.on(listener);
        ends.push(end);
        return end;
      },
      announce: (names) => feed.announce(names),
      close: () => ends.forEach((end) => end()),
    };
  }

  #afterFailover(): void {
    const { names, tags } = this.recent?.take() ?? { names: [], tags: [] };
    this.journal.noteDelete(names);
    this.journal.noteTags(tags);
    this.local?.clear();
    this.tags.markStale();
    void this.#replay();
  }

  async #replay(): Promise<void> {
    try {
      if (this.journal.pending) await this.journal.replay();
    } catch (error) {
      // What was not told stays noted. Nobody waits for this, so nobody would catch the error either.
      if (!this.trouble.isCause(error)) this.trouble.report(error);
    }
  }
}
