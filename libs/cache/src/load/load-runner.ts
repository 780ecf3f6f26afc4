import { CacheLoadTimeoutError, CacheValueError } from '../cache.errors.js';
import type { ResolvedEntryOptions } from '../cache.options.js';
import type { StoredValue, TagStamp } from '../drivers/cache-driver.js';
import type { EntryHeader } from '../drivers/entry-text.js';
import type { Hit } from '../shared/entry-reader.js';
import { copyOut, freezeDeep } from '../local/frozen.js';
import type { Fence, LocalTier } from '../local/local-tier.js';
import { Slot } from '../local/slot.js';
import type { RedisTrouble } from '../outage/redis-trouble.js';
import type { Scope } from '../scope.js';
import type { SharedTier } from '../shared/shared-tier.js';
import type { TagMirror } from '../tags/tag-mirror.js';
import { UnreadableValueError } from '../value/unreadable-value.error.js';
import { keepLease, type Lease } from './lease.js';
import type { LoadChain } from './load-chain.js';
import { LoadNotes, SKIPPED, type LoadContext } from './load-context.js';

export interface LoadRequest {
  readonly scope: Scope;
  readonly name: string;
  readonly load: (context: LoadContext) => unknown;
  readonly entry: ResolvedEntryOptions;
}

/** What a load has found, in the shape in which a hit would give it. */
export interface Loaded {
  /** Undefined when there is none. */
  readonly value: unknown;
  readonly copies: boolean;
  readonly tags: readonly string[];
  readonly stamp: TagStamp | undefined;
  /** The loader has declined to say. */
  readonly skipped?: boolean;
}

/** The longest that a timer of Node can take. */
export const LONGEST_MS = 2 ** 31 - 1;

const NOTHING: Loaded = { value: undefined, copies: false, tags: [], stamp: undefined };
const SKIPPED_LOAD: Loaded = { ...NOTHING, skipped: true };

/**
 * Runs loaders and stores what they return. Invariant: a value is stored in Redis under the lease of its load only, and
 * taken into the tier in process only if its key has not changed since the load began.
 */
export class LoadRunner {
  readonly #running = new Set<LoadNotes>();

  constructor(
    private readonly shared: SharedTier,
    private readonly local: LocalTier | undefined,
    private readonly tags: TagMirror,
    private readonly chain: LoadChain,
    private readonly trouble: RedisTrouble,
  ) {}

  /** @param right without a lease nothing is stored; `'away'`: nor can it be, so the value is kept for the outage */
  async run(request: LoadRequest, right: Lease | 'away' | undefined, stale: Hit | undefined): Promise<Loaded> {
    const { scope, name, entry } = request;
    const lease = right === 'away' ? undefined : right;
    // As it was before the load began: an invalidation from now on is later than the value.
    const stamp = this.tags.stamp;
    const fence = right === 'away' ? this.local?.fence(name) : undefined;
    const earlier = stale && {
      value: stale.copies ? copyOut(stale.value) : stale.value,
      storedAt: new Date(stale.header.writtenAt),
    };
    const notes = new LoadNotes(name, entry.tags, earlier);
    const release = lease && keepLease(this.shared, name, lease);
    const beganAt = performance.now();
    this.#running.add(notes);
    try {
      const value = await this.#call(request, notes);
      const loadMs = Math.max(1, Math.round(performance.now() - beganAt));
      scope.counters.add('loads');
      scope.counters.add('loadMs', loadMs);
      if (value === undefined) return await this.#giveUp(name, lease, NOTHING);
      if (!notes.stores) return await this.#giveUp(name, lease, { ...NOTHING, value });
      const stored = await storable(
        scope,
        name,
        value,
        headerOf(request, notes, value, stamp, this.shared.now(), loadMs),
      );
      const hit = await readBack(scope, name, stored);
      const loaded: Loaded = { ...hit, tags: stored.header.tags, stamp };
      // Without a stamp nobody could tell whether its tags were invalidated since.
      if (loaded.tags.length > 0 && stamp === undefined) return await this.#giveUp(name, lease, loaded);
      if (lease) await this.#fill(scope, name, lease, stored, hit);
      else if (fence) this.#keep(fence, scope, hit, stored, false);
      return loaded;
    } catch (error) {
      await this.#giveUp(name, lease, NOTHING);
      if (error === SKIPPED) return SKIPPED_LOAD;
      if (!(error instanceof CacheValueError)) scope.counters.add('loadErrors');
      throw error;
    } finally {
      release?.();
      this.#running.delete(notes);
      if (fence) this.local!.lift(fence);
    }
  }

  /** Tells every loader that is running to stop. */
  abort(): void {
    for (const notes of this.#running) notes.abort(new Error('The application shuts down.'));
  }

  async #call({ name, load, entry }: LoadRequest, notes: LoadNotes): Promise<unknown> {
    const loading = this.chain.run(name, () => load(notes));
    if (entry.hardTimeoutMs === undefined) return loading;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => {
          const error = new CacheLoadTimeoutError(name, entry.hardTimeoutMs!);
          notes.abort(error);
          reject(error);
        },
        Math.min(entry.hardTimeoutMs!, LONGEST_MS),
      );
    });
    try {
      return await Promise.race([loading, late]);
    } finally {
      clearTimeout(timer);
      loading.catch(() => 'nobody waits for it any more');
    }
  }

  /** The result is there already: a Redis that has gone away meanwhile must not take it from the caller. */
  async #fill(
    scope: Scope,
    name: string,
    lease: Lease,
    entry: StoredValue,
    hit: Pick<Hit, 'value' | 'copies'>,
  ): Promise<void> {
    const { token, kind, version } = lease;
    // Until now the lease has stood for it that nothing has changed, or nothing is filled.
    const fence = this.local?.fence(name);
    try {
      const stored = await this.shared.run((driver) =>
        kind === 'placeholder' ? driver.fill(name, token, entry) : driver.refill(name, token, version!, entry),
      );
      if (stored && fence) this.#keep(fence, scope, hit, entry, true);
    } catch (error) {
      if (!this.trouble.isCause(error)) throw error;
    } finally {
      if (fence) this.local!.lift(fence);
    }
  }

  #keep(
    fence: Fence,
    scope: Scope,
    hit: Pick<Hit, 'value' | 'copies'>,
    { header, body }: StoredValue,
    own: boolean,
  ): void {
    const text = fence.name.slice(scope.prefix.length);
    const slot = new Slot(fence.name, text, hit.value, hit.copies, header, own, performance.now(), 0);
    // What Redis does not have it cannot report a deletion of either: this is for the outage only.
    if (!own) slot.suspect = true;
    this.local!.put(fence, slot, body.length, scope.index);
  }

  async #giveUp(name: string, lease: Lease | undefined, outcome: Loaded): Promise<Loaded> {
    try {
      if (lease) await this.shared.run((driver) => driver.abandon(name, lease.token, lease.kind));
    } catch (error) {
      if (!this.trouble.isCause(error)) throw error;
    }
    return outcome;
  }
}

/** What is stored for a value, in the way in which its scope writes values. */
export async function storable(scope: Scope, name: string, value: unknown, header: EntryHeader): Promise<StoredValue> {
  const writing = scope.format.write(name, value);
  const { body, format } = writing instanceof Promise ? await writing : writing;
  return { body, header: { ...header, format } };
}

/**
 * The value as it will come back from the cache.
 *
 * @throws CacheValueError when the schema of the cache does not take it
 */
export async function readBack(
  scope: Scope,
  name: string,
  { header, body }: StoredValue,
): Promise<Pick<Loaded, 'value' | 'copies'>> {
  try {
    const value: unknown = await scope.format.read(name, header.format, body);
    return freezeDeep(scope.accept ? await scope.accept(value) : value);
  } catch (error) {
    if (!(error instanceof UnreadableValueError)) throw error;
    throw new CacheValueError(`The value for "${name}" could not be read again. ${error.message}`, { cause: error });
  }
}

export function newHeader(
  scope: Scope,
  entry: ResolvedEntryOptions,
  value: unknown,
  now: number,
  tags: readonly string[],
  stamp: TagStamp | undefined,
  format = '',
): EntryHeader {
  const ttlMs = value === null ? (entry.negativeTtlMs ?? entry.ttlMs) : entry.ttlMs;
  return {
    version: scope.versions.next(now),
    writtenAt: now,
    ttlMs: jittered(ttlMs, entry.jitter),
    graceMs: entry.graceMs,
    loadMs: 0,
    revision: scope.revision,
    format,
    tags,
    stamp: tags.length === 0 ? undefined : stamp,
  };
}

function headerOf(
  { scope, entry }: LoadRequest,
  notes: LoadNotes,
  value: unknown,
  stamp: TagStamp | undefined,
  now: number,
  loadMs: number,
): EntryHeader {
  const own = notes.ttlMs === undefined ? entry : { ...entry, ttlMs: notes.ttlMs, negativeTtlMs: undefined };
  return { ...newHeader(scope, own, value, now, [...notes.tags], stamp), loadMs };
}

function jittered(ttlMs: number, jitter: number): number {
  return Math.max(1, Math.round(ttlMs * (1 - jitter * Math.random())));
}
