import type { EntryHeader } from './entry-text.js';
import type { ChangeFeed } from './change-feed.js';

/**
 * Where entries live that outlast a process, and how their tags are invalidated.
 *
 * Invariants:
 * 1. What a load has found is stored only if its key was neither set, deleted nor expired since the load began. The
 *    beginning is marked by a lease: where there is no value, a placeholder under the key itself, which any write or
 *    deletion voids, also by another program; where there is one, its version, which any write changes.
 * 2. A tag is invalidated by a stamp from a counter of the store. An entry carries the counter as it was before its value
 *    came to be, and is valid only while none of its tags has a later stamp. Where stamps may have been lost, the counter
 *    begins a new epoch, and every tagged entry of another epoch is invalid.
 * 3. At most one caller holds the lease of a key at a time, and none for longer than it asked for.
 * 4. Time is that of the store.
 *
 * Every method may reject with RedisUnreachableError, RedisTimeoutError, or the error that the server replied with.
 */
export interface CacheDriver {
  /** The time of the store, in milliseconds. */
  now(): number;

  /** Resolves once {@link now} is right; undefined when it is. */
  ready(): Promise<void> | undefined;

  /** Reads in one round trip, with the state of the tags when it is asked for. */
  read(keys: readonly string[], withTags: boolean): Promise<StoredEntries>;

  /**
   * The same for one key, like `then(take, refuse)` in one step: hits are many, and each promise more costs.
   *
   * @param refuse makes of an error what the call resolves to; without it the call rejects
   */
  readOne<R>(key: string, withTags: boolean, take: Take<R>, refuse?: Refuse<R>): Promise<R>;

  /** The headers only; undefined where there is no value. */
  headers(keys: readonly string[]): Promise<(EntryHeader | undefined)[]>;

  /**
   * Puts a placeholder where there is nothing, nothing readable, or the entry of version `over`.
   */
  lease(key: string, token: string, leaseMs: number, over?: string): Promise<LeaseReply>;

  /** Replaces the placeholder by the value. False: it no longer stood, and nothing has changed. */
  fill(key: string, token: string, entry: StoredValue): Promise<boolean>;

  /** Asks to be the one who replaces a value, which stays readable meanwhile. */
  leaseRefresh(key: string, token: string, leaseMs: number): Promise<boolean>;

  /** Replaces the value of that version. False: it is another by now, or gone, and nothing has changed. */
  refill(key: string, token: string, version: string, entry: StoredValue): Promise<boolean>;

  /** Prolongs a lease, if it still stands. */
  renew(key: string, token: string, kind: LeaseKind, leaseMs: number): Promise<boolean>;

  /** Gives a lease back without a value, if it still stands. */
  abandon(key: string, token: string, kind: LeaseKind): Promise<void>;

  set(key: string, entry: StoredValue): Promise<void>;

  /** Like `set`, but only over a value that was written before this one: what a journal may do long afterwards. */
  restore(key: string, entry: StoredValue): Promise<boolean>;

  /** Removes values and voids leases. Returns how many of the keys held one or the other. */
  delete(keys: readonly string[]): Promise<number>;

  /** Ends the life of values but keeps them for their grace; voids leases. Returns how many of the keys held either. */
  expire(keys: readonly string[]): Promise<number>;

  /** Passes over all keys that match a glob of Redis, in pages. A key that is there all the time is in one of them. */
  scan(glob: string): AsyncIterable<readonly string[]>;

  /** The counter of tag invalidations; undefined when there is none, so that no tagged entry is valid. */
  tagState(): Promise<TagState | undefined>;

  /** What has changed since `known`, at most some thousands of tags. Begins an epoch where there is none. */
  tagChanges(known: TagState | undefined): Promise<TagChanges>;

  /** The last stamp of each tag, 0 for none; undefined when stamps of that epoch were lost. */
  tagStamps(tags: readonly string[], epoch: string): Promise<number[] | undefined>;

  /** Undefined when there was no room for stamps: then every tagged entry is invalid. */
  invalidateTags(tags: readonly string[]): Promise<TagState | undefined>;

  /** Invalidates every tagged entry: the next who asks for the state of the tags begins a new epoch. */
  forgetTags(): Promise<void>;

  /** The key whose change means that a tag was invalidated. */
  readonly tagKey: string;

  /** Reports the changes of all keys, or only that of {@link tagKey}. */
  openFeed(scope: 'all' | 'tags'): ChangeFeed;
}

export type LeaseKind = 'placeholder' | 'refresh';

/** A value as it is stored. */
export interface StoredValue {
  readonly header: EntryHeader;
  readonly body: string | Buffer;
}

/** What stands under a key. `unreadable`: something that no program of this version has written. */
export type StoredEntry =
  | { readonly state: 'value'; readonly entry: StoredValue }
  | { readonly state: 'lease'; readonly token: string }
  | { readonly state: 'absent' | 'unreadable' };

export interface ReadEntry {
  readonly stored: StoredEntry;
  /** As in {@link StoredEntries}. */
  readonly tagState: TagState | undefined;
}

/** What a caller makes of what was read. */
export type Take<R> = (read: ReadEntry) => R | Promise<R>;
export type Refuse<R> = (error: unknown) => R | Promise<R>;

export interface StoredEntries {
  readonly entries: readonly StoredEntry[];
  /** Undefined when it was not asked for, or when there is none. */
  readonly tagState: TagState | undefined;
}

/** `granted`: the caller loads and fills. `busy`: another does, for that long at most. */
export type LeaseReply =
  | { readonly state: 'granted' }
  | { readonly state: 'busy'; readonly token: string; readonly forMs: number }
  | { readonly state: 'value'; readonly entry: StoredValue };

/** Where the counter of tag invalidations stands. */
export interface TagState extends TagStamp {
  /** Stamps up to this one may have been forgotten: tagged entries from before it are invalid. */
  readonly floor: number;
}

/** A moment in the life of the tags. */
export interface TagStamp {
  /** Changes whenever stamps may have been lost. */
  readonly epoch: string;
  readonly seq: number;
}

export interface TagChanges {
  readonly state: TagState;
  /** Tags and their last stamps: all of those later than `since`. */
  readonly stamps: readonly (readonly [tag: string, seq: number])[];
  readonly since: number;
}
