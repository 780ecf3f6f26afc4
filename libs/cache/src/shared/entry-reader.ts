import type { ResolvedEntryOptions } from '../cache.options.js';
import type { EntryHeader } from '../drivers/entry-text.js';
import type { ReadEntry, StoredEntry, StoredValue } from '../drivers/cache-driver.js';
import { freezeDeep, give } from '../local/frozen.js';
import type { Fence, LocalTier } from '../local/local-tier.js';
import { ownHeader } from '../local/own-text.js';
import { Slot } from '../local/slot.js';
import { isOutage, type RedisTrouble } from '../outage/redis-trouble.js';
import { readAlike, type Scope } from '../scope.js';
import type { SharedTier } from './shared-tier.js';
import type { TagMirror } from '../tags/tag-mirror.js';
import { UnreadableValueError } from '../value/unreadable-value.error.js';

/** A value that callers share. */
export interface Hit {
  readonly value: unknown;
  /** Whether it holds something that each caller needs a copy of. */
  readonly copies: boolean;
  readonly header: EntryHeader;
}

/** `over`: the version of an entry that is there and of no use. */
export type Found =
  | { readonly state: 'fresh' | 'stale'; readonly hit: Hit }
  | { readonly state: 'lease'; readonly token: string }
  | { readonly state: 'absent'; readonly over?: string | undefined };

interface SharedRead {
  readonly scope: Scope;
  readonly found: Promise<Found>;
}

/**
 * Reads entries of the shared tier, judges them, and brings them to the tier in process. Callers share a read only if it
 * was not yet sent when they came: what a caller gets is never older than its call.
 */
export class EntryReader {
  #reads = new Map<string, SharedRead>();
  // A new one: clear() links the table of a Map to its next, and one such table that has grown old keeps all of them alive.
  readonly #clear = (): void => void (this.#reads = new Map());
  #usesTags = false;

  constructor(
    private readonly shared: SharedTier,
    private readonly tags: TagMirror,
    private readonly local: LocalTier | undefined,
    private readonly trouble: RedisTrouble,
  ) {}

  read(scope: Scope, name: string): Promise<Found> {
    return this.#sharedRead(scope, name) ?? this.#readOne(scope, name);
  }

  /** The same for a caller who does not share the value: where nothing is held in process, it need not be frozen. */
  readOwn(scope: Scope, name: string): Promise<Found> {
    if (this.local || this.#reads.has(name)) return this.read(scope, name);
    const withTags = this.#usesTags;
    return this.shared.readOne(name, withTags, (read) => this.#take(scope, name, read, withTags, 'own'));
  }

  /** Looks for a value that is fresh, and belongs to the caller alone; in an outage, for what is left. */
  find(scope: Scope, name: string, entry: ResolvedEntryOptions): Promise<unknown> {
    const take = (found: Found): unknown => this.#given(scope, found, entry);
    const refuse = (error: unknown): unknown => this.#remains(scope, name, entry, error);
    if (this.local || this.#reads.has(name)) return this.read(scope, name).then(take, refuse);
    const withTags = this.#usesTags;
    const takeRead = (read: ReadEntry): unknown => {
      const found = this.#take(scope, name, read, withTags, 'own');
      return found instanceof Promise ? found.then(take, refuse) : take(found);
    };
    return this.shared.readOne(name, withTags, takeRead, refuse);
  }

  /** Reads many in one command; `read` in the same turn of the event loop takes them from there. */
  readMany(scope: Scope, names: readonly string[]): void {
    const missing = names.filter((name) => !this.#sharedRead(scope, name));
    if (missing.length > 0) this.#readSeveral(scope, missing);
  }

  /** Whoever reads from now on does not share a read that has begun. */
  forget(name: string): void {
    this.#reads.delete(name);
  }

  forgetAll(): void {
    this.#clear();
  }

  /** From now on the state of the tags is read along with each entry. */
  meetTags(): void {
    this.#usesTags = true;
  }

  /** Whether an entry is valid as far as its tags go, at the time of the call or later. */
  async tagsAreValid(header: Pick<EntryHeader, 'stamp' | 'tags'>, observed: boolean): Promise<boolean> {
    if (!header.stamp) return true;
    this.meetTags();
    if (!observed) this.tags.observe(await this.shared.run((driver) => driver.tagState()));
    return this.tags.isValid(header.stamp, header.tags);
  }

  #given({ counters }: Scope, found: Found, { clone }: ResolvedEntryOptions): unknown {
    if (found.state !== 'fresh') {
      counters.add('misses');
      return undefined;
    }
    counters.add('sharedHits');
    return give(found.hit, clone);
  }

  /** What is left in an outage. */
  #remains(
    { counters, index }: Scope,
    name: string,
    { onOutage, clone }: ResolvedEntryOptions,
    error: unknown,
  ): unknown {
    if (onOutage === 'throw' || !this.trouble.isCause(error)) throw error;
    counters.add('outages');
    const remains = isOutage(error) ? this.local?.remains(name, index) : undefined;
    if (!remains) return undefined;
    counters.add('staleServes');
    return give(remains, clone);
  }

  #sharedRead(scope: Scope, name: string): Promise<Found> | undefined {
    const read = this.#reads.get(name);
    return read && readAlike(read.scope, scope) ? read.found : undefined;
  }

  async #readOne(scope: Scope, name: string): Promise<Found> {
    const withTags = this.#usesTags;
    const fence = this.local?.fence(name);
    try {
      return await this.shared.readOne(name, withTags, (read) => this.#take(scope, name, read, withTags, fence));
    } finally {
      if (fence) this.local!.lift(fence);
    }
  }

  #take(
    scope: Scope,
    name: string,
    { stored, tagState }: ReadEntry,
    withTags: boolean,
    keep: Fence | 'own' | undefined,
  ): Found | Promise<Found> {
    if (withTags) this.tags.observe(tagState);
    return this.#judge(scope, name, stored, withTags, keep);
  }

  #readSeveral(scope: Scope, names: readonly string[]): void {
    const withTags = this.#usesTags;
    const fences = names.map((name) => this.local?.fence(name));
    const batch = this.shared.run((driver) => driver.read(names, withTags));
    // For whoever asks before anything else can happen: once all that is ready has run.
    if (this.#reads.size === 0) queueMicrotask(() => process.nextTick(this.#clear));
    const observed = batch.then((read) => {
      if (withTags) this.tags.observe(read.tagState);
      return read.entries;
    });
    names.forEach((name, index) => {
      const fence = fences[index];
      const found = observed
        .then((entries) => this.#judge(scope, name, entries[index]!, withTags, fence))
        .finally(() => fence && this.local!.lift(fence));
      found.catch(() => 'told to who reads it, if anybody does');
      this.#reads.set(name, { scope, found });
    });
  }

  #judge(
    scope: Scope,
    name: string,
    stored: StoredEntry,
    observed: boolean,
    keep: Fence | 'own' | undefined,
  ): Found | Promise<Found> {
    this.local?.outageIsOver();
    if (stored.state !== 'value') this.local?.gone(name);
    if (stored.state === 'lease') return stored;
    if (stored.state === 'unreadable') scope.counters.add('unreadable');
    if (stored.state !== 'value') return { state: 'absent' };
    const { header } = stored.entry;
    if (header.stamp) {
      const valid = observed && this.tags.current ? this.tags.judge(header.stamp, header.tags) : undefined;
      if (valid === undefined) return this.#judgeSlowly(scope, name, stored.entry, observed, keep);
      if (!valid) return { state: 'absent', over: header.version };
    }
    return this.#decode(scope, name, stored.entry, keep);
  }

  /** The same for an entry whose tags have to be asked for. */
  async #judgeSlowly(
    scope: Scope,
    name: string,
    entry: StoredValue,
    observed: boolean,
    keep: Fence | 'own' | undefined,
  ): Promise<Found> {
    if (await this.tagsAreValid(entry.header, observed)) return this.#decode(scope, name, entry, keep);
    return { state: 'absent', over: entry.header.version };
  }

  #decode(scope: Scope, name: string, entry: StoredValue, keep: Fence | 'own' | undefined): Found | Promise<Found> {
    const { header, body } = entry;
    try {
      if (header.revision !== scope.revision) throw new UnreadableValueError(name, 'It is of another revision.');
      const value = scope.format.read(name, header.format, body);
      if (!(value instanceof Promise) && !scope.accept) return this.#found(scope, name, entry, value, keep);
      return this.#accept(scope, name, entry, value, keep);
    } catch (error) {
      return this.#unreadable(scope, header, error);
    }
  }

  async #accept(
    scope: Scope,
    name: string,
    entry: StoredValue,
    reading: unknown,
    keep: Fence | 'own' | undefined,
  ): Promise<Found> {
    try {
      const value = await reading;
      return this.#found(scope, name, entry, scope.accept ? await scope.accept(value) : value, keep);
    } catch (error) {
      return this.#unreadable(scope, entry.header, error);
    }
  }

  #unreadable(scope: Scope, { version }: EntryHeader, error: unknown): Found {
    if (!(error instanceof UnreadableValueError)) throw error;
    scope.counters.add('unreadable');
    return { state: 'absent', over: version };
  }

  #found(
    scope: Scope,
    name: string,
    { header, body }: StoredValue,
    value: unknown,
    keep: Fence | 'own' | undefined,
  ): Found {
    const copies = keep !== 'own' && freezeDeep(value).copies;
    const hit: Hit = { value, copies, header };
    const ageMs = Math.max(0, this.shared.now() - header.writtenAt);
    if (ageMs >= header.ttlMs) return { state: 'stale', hit };
    // How long it lives is known to Redis only when it has no version.
    if (keep && keep !== 'own' && header.version !== '') {
      const text = name.slice(scope.prefix.length);
      const slot = new Slot(name, text, hit.value, hit.copies, ownHeader(header), false, performance.now(), ageMs);
      this.local!.put(keep, slot, body.length, scope.index);
    }
    return { state: 'fresh', hit };
  }
}
