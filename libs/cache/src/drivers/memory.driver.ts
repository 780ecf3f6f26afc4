import { randomBytes } from 'node:crypto';
import type {
  CacheDriver,
  LeaseKind,
  LeaseReply,
  StoredEntries,
  StoredEntry,
  StoredValue,
  TagChanges,
  TagState,
  Take,
} from './cache-driver.js';
import type { ChangeFeed, ChangeListener } from './change-feed.js';
import type { EntryHeader } from './entry-text.js';
import { globPattern } from './glob.js';

type Slot = { readonly expiresAt: number } & ({ readonly entry: StoredValue } | { readonly lease: string });

// Enough for development, and a bound for the rest: the oldest entry leaves first.
const MAX_ENTRIES = 10_000;
const MAX_TAGS = 10_000;

/** Entries in the memory of this process. */
export class MemoryCacheDriver implements CacheDriver {
  readonly tagKey = '{tags}';
  readonly #slots = new Map<string, Slot>();
  readonly #refreshes = new Map<string, { readonly token: string; readonly expiresAt: number }>();
  readonly #stamps = new Map<string, number>();
  readonly #listeners = new Set<ChangeListener>();
  #tags: TagState = { epoch: randomBytes(6).toString('hex'), seq: 0, floor: 0 };

  constructor(private readonly clock: () => number = () => performance.now()) {}

  now(): number {
    return Math.round(this.clock());
  }

  ready(): undefined {
    return undefined;
  }

  async read(keys: readonly string[], withTags: boolean): Promise<StoredEntries> {
    return { entries: keys.map((key) => this.#stored(key)), tagState: withTags ? this.#tags : undefined };
  }

  async readOne<R>(key: string, withTags: boolean, take: Take<R>): Promise<R> {
    return take({ stored: this.#stored(key), tagState: withTags ? this.#tags : undefined });
  }

  async headers(keys: readonly string[]): Promise<(EntryHeader | undefined)[]> {
    return keys.map((key) => {
      const slot = this.#live(key);
      return slot && 'entry' in slot ? slot.entry.header : undefined;
    });
  }

  async lease(key: string, token: string, leaseMs: number, over?: string): Promise<LeaseReply> {
    const slot = this.#live(key);
    if (slot && 'lease' in slot) return { state: 'busy', token: slot.lease, forMs: slot.expiresAt - this.clock() };
    if (slot && slot.entry.header.version !== over) return { state: 'value', entry: slot.entry };
    this.#put(key, { lease: token, expiresAt: this.clock() + leaseMs });
    return { state: 'granted' };
  }

  async fill(key: string, token: string, entry: StoredValue): Promise<boolean> {
    if (!this.#holds(key, token)) return false;
    this.#store(key, entry);
    return true;
  }

  async leaseRefresh(key: string, token: string, leaseMs: number): Promise<boolean> {
    const lease = this.#refreshes.get(key);
    if (lease && lease.expiresAt > this.clock()) return false;
    this.#refreshes.set(key, { token, expiresAt: this.clock() + leaseMs });
    return true;
  }

  async refill(key: string, token: string, version: string, entry: StoredValue): Promise<boolean> {
    await this.abandon(key, token, 'refresh');
    const slot = this.#live(key);
    if (!slot || !('entry' in slot) || slot.entry.header.version !== version) return false;
    this.#store(key, entry);
    return true;
  }

  async renew(key: string, token: string, kind: LeaseKind, leaseMs: number): Promise<boolean> {
    const expiresAt = this.clock() + leaseMs;
    if (kind === 'placeholder') {
      if (!this.#holds(key, token)) return false;
      this.#put(key, { lease: token, expiresAt });
      return true;
    }
    if (this.#refreshes.get(key)?.token !== token) return false;
    this.#refreshes.set(key, { token, expiresAt });
    return true;
  }

  async abandon(key: string, token: string, kind: LeaseKind): Promise<void> {
    if (kind === 'refresh' && this.#refreshes.get(key)?.token === token) this.#refreshes.delete(key);
    if (kind === 'placeholder' && this.#holds(key, token)) this.#drop(key);
  }

  async set(key: string, entry: StoredValue): Promise<void> {
    this.#store(key, entry);
  }

  /** Never needed: this store is never away. */
  async restore(): Promise<boolean> {
    return false;
  }

  async delete(keys: readonly string[]): Promise<number> {
    return [...new Set(keys)].filter((key) => this.#live(key) && this.#drop(key)).length;
  }

  async expire(keys: readonly string[]): Promise<number> {
    return [...new Set(keys)].filter((key) => {
      this.#refreshes.delete(key);
      const slot = this.#live(key);
      if (!slot) return false;
      const header = 'entry' in slot ? slot.entry.header : undefined;
      if (!header || header.graceMs === 0) return this.#drop(key);
      const version = `${header.writtenAt}-${randomBytes(6).toString('hex')}`;
      const expiresAt = Math.min(slot.expiresAt, this.clock() + header.graceMs);
      const entry = { body: (slot as { entry: StoredValue }).entry.body, header: { ...header, version, ttlMs: 0 } };
      this.#put(key, { entry, expiresAt });
      return true;
    }).length;
  }

  async *scan(glob: string): AsyncIterable<readonly string[]> {
    const pattern = globPattern(glob);
    yield [...this.#slots.keys()].filter((key) => pattern.test(key) && this.#live(key));
  }

  async tagState(): Promise<TagState> {
    return this.#tags;
  }

  async tagChanges(known: TagState | undefined): Promise<TagChanges> {
    const since = Math.max(known?.seq ?? 0, this.#tags.floor);
    return { state: this.#tags, stamps: [...this.#stamps].filter(([, seq]) => seq > since), since };
  }

  async tagStamps(tags: readonly string[], epoch: string): Promise<number[] | undefined> {
    if (epoch !== this.#tags.epoch) return undefined;
    return tags.map((tag) => this.#stamps.get(tag) ?? 0);
  }

  async invalidateTags(tags: readonly string[]): Promise<TagState> {
    const seq = this.#tags.seq + 1;
    let { floor } = this.#tags;
    for (const tag of tags) {
      this.#stamps.delete(tag);
      this.#stamps.set(tag, seq);
    }
    for (const [tag, stamp] of this.#stamps) {
      if (this.#stamps.size <= MAX_TAGS) break;
      this.#stamps.delete(tag);
      floor = stamp;
    }
    this.#tags = { ...this.#tags, seq, floor };
    this.#report(this.tagKey);
    return this.#tags;
  }

  async forgetTags(): Promise<void> {
    this.#stamps.clear();
    this.#tags = { epoch: randomBytes(6).toString('hex'), seq: 0, floor: 0 };
    this.#report(this.tagKey);
  }

  /** Armed at all times: every change goes through this object. */
  openFeed(): ChangeFeed {
    const own = new Set<ChangeListener>();
    return {
      armed: true,
      announces: false,
      on: (listener) => {
        this.#listeners.add(listener);
        own.add(listener);
        return () => this.#listeners.delete(listener);
      },
      announce: async () => undefined,
      close: () => own.forEach((listener) => this.#listeners.delete(listener)),
    };
  }

  #stored(key: string): StoredEntry {
    const slot = this.#live(key);
    if (!slot) return { state: 'absent' };
    return 'lease' in slot ? { state: 'lease', token: slot.lease } : { state: 'value', entry: slot.entry };
  }

  #holds(key: string, token: string): boolean {
    const slot = this.#live(key);
    return slot !== undefined && 'lease' in slot && slot.lease === token;
  }

  #live(key: string): Slot | undefined {
    const slot = this.#slots.get(key);
    if (!slot || slot.expiresAt > this.clock()) return slot;
    this.#drop(key);
    return undefined;
  }

  #store(key: string, entry: StoredValue): void {
    this.#put(key, { entry, expiresAt: this.clock() + entry.header.ttlMs + entry.header.graceMs });
  }

  #put(key: string, slot: Slot): void {
    // A key that is written again is young again.
    this.#slots.delete(key);
    this.#slots.set(key, slot);
    this.#report(key);
    if (this.#slots.size > MAX_ENTRIES) this.#drop(this.#slots.keys().next().value!);
  }

  #drop(key: string): boolean {
    const dropped = this.#slots.delete(key);
    if (dropped) this.#report(key);
    return dropped;
  }

  #report(key: string): void {
    for (const listener of this.#listeners) listener.changed([key]);
  }
}
