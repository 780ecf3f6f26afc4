import type { ResolvedEntryOptions } from '../cache.options.js';
import type { CacheCore } from '../cache-core.js';
import type { PatternOptions } from '../keys/cache-pattern.js';
import { globPattern } from '../drivers/glob.js';
import type { StoredValue } from '../drivers/cache-driver.js';
import { keepLease, type Lease } from '../load/lease.js';
import { newHeader, readBack, storable, type Loaded } from '../load/load-runner.js';
import type { Fence } from '../local/local-tier.js';
import { Slot } from '../local/slot.js';
import { isErrorReply } from '../outage/redis-trouble.js';
import type { Scope } from '../scope.js';
import { settleAll } from '../load/settle-all.js';

/** Whether Redis has answered: nobody waits twice for one that has not. `timeless`: not once yet, so its time is unknown. */
type Reach = 'there' | 'away' | 'timeless';

/** A value that may be stored. */
interface Prepared {
  readonly stored: StoredValue;
  /** As it will come back, where that had to be known first. */
  readonly back?: Pick<Loaded, 'value' | 'copies'> | undefined;
}

/** Writes and invalidates in both tiers, and notes what Redis cannot be told. */
export class CacheWriter {
  constructor(
    private readonly core: CacheCore,
    private readonly scope: Scope,
  ) {}

  /** Stores one value; at once, unless something has to be waited for first. */
  setOne(name: string, value: unknown, entry: ResolvedEntryOptions): Promise<void> {
    const { core, scope } = this;
    const tagged = entry.tags.length > 0;
    const ready = !core.journal.pending && (!tagged || (core.followsTags && core.tags.current));
    const clock = core.driver.ready();
    clock?.catch(() => 'told to who waits for it');
    if (!ready || clock || scope.accept) return this.set([[name, value]], entry);
    if (tagged) core.reader.meetTags();
    const writing = scope.format.write(name, value);
    if (writing instanceof Promise) return this.set([[name, value]], entry);
    const header = newHeader(scope, entry, value, core.shared.now(), entry.tags, core.tags.stamp, writing.format);
    core.order.overtake(name);
    core.forgetOne(name);
    core.recent?.note([name]);
    return this.#set(name, { stored: { body: writing.body, header } }, entry);
  }

  async set(values: readonly (readonly [name: string, value: unknown])[], entry: ResolvedEntryOptions): Promise<void> {
    const { core } = this;
    const names = values.map(([name]) => name);
    // Without reports nobody knows what has happened meanwhile: then it is as if that had happened before.
    const stamp = core.followsTags && core.tags.current ? core.tags.stamp : undefined;
    const turns = names.map((name) => core.order.enter(name));
    let entries: Prepared[];
    let reach: Reach;
    try {
      reach = await this.#readyFor(entry);
      entries = await Promise.all(values.map(([name, value]) => this.#prepared(name, value, entry, stamp)));
    } catch (error) {
      // What was there before is stale all the same.
      if (core.trouble.isCause(error)) {
        core.journal.noteDelete(names);
        core.forget(names);
      }
      for (const turn of turns) core.order.drop(turn);
      throw error;
    }
    core.forget(names);
    core.recent?.note(names);
    await settleAll(
      names.map(async (name, index) => {
        if (core.order.leave(turns[index]!)) await this.#set(name, entries[index]!, entry, reach);
      }),
    );
  }

  /**
   * Has `persist` store the value elsewhere, and then caches it, unless somebody else has written or removed the key
   * meanwhile: of two such writers only the store knows who was the last, so then nothing is cached.
   */
  async writeThrough(name: string, value: unknown, persist: () => unknown, entry: ResolvedEntryOptions): Promise<void> {
    const { core } = this;
    const reach = await this.#readyFor(entry);
    // Found out before anything has happened; and with the state of the tags as it is now.
    const { stored: checked, back } = await this.#prepared(name, value, entry);
    const claim = reach === 'there' ? await core.loader.leases.takeOver(name) : undefined;
    const release = claim && keepLease(core.shared, name, claim);
    try {
      await persist();
    } catch (error) {
      if (claim) await core.loader.leases.giveBack(name, claim);
      throw error;
    } finally {
      release?.();
    }
    core.order.overtake(name);
    core.forgetOne(name);
    core.recent?.note([name]);
    const now = core.shared.now();
    const header = { ...checked.header, version: this.scope.versions.next(now), writtenAt: now };
    const prepared = { stored: { body: checked.body, header }, back };
    if (!claim) return this.#set(name, prepared, entry, reach);
    if (!(await this.#replace(name, prepared, claim))) await this.remove([name], 'delete', entry);
  }

  async has(name: string, { onOutage }: ResolvedEntryOptions): Promise<boolean> {
    const { core, scope } = this;
    try {
      const [header] = await core.shared.run((driver) => driver.headers([name]));
      if (!header || header.revision !== scope.revision) return false;
      if (core.shared.now() - header.writtenAt >= header.ttlMs) return false;
      return await core.reader.tagsAreValid(header, false);
    } catch (error) {
      if (onOutage === 'throw' || !core.trouble.isCause(error)) throw error;
      return core.local?.remains(name, scope.index) !== undefined;
    }
  }

  async remove(
    names: readonly string[],
    how: 'delete' | 'expire',
    { onOutage }: ResolvedEntryOptions,
  ): Promise<number> {
    if (names.length === 0) return 0;
    const { core } = this;
    for (const name of names) core.order.overtake(name);
    core.forget(names);
    core.recent?.note(names);
    this.scope.counters.add('invalidations', names.length);
    try {
      return await core.shared.run((driver) => driver[how](names));
    } catch (error) {
      if (!core.trouble.isCause(error)) throw error;
      if (how === 'delete') core.journal.noteDelete(names);
      else core.journal.noteExpire(names);
      if (onOutage === 'throw') throw error;
      return 0;
    } finally {
      // Reads that began while it was on its way may have read what it removed.
      core.forget(names);
    }
  }

  async invalidateTags(tags: readonly string[], { onOutage }: ResolvedEntryOptions): Promise<void> {
    if (tags.length === 0) return;
    const { core } = this;
    core.recent?.noteTags(tags);
    core.reader.meetTags();
    this.scope.counters.add('invalidations', tags.length);
    try {
      await core.shared.run(() => core.tags.invalidate(tags));
    } catch (error) {
      if (!core.trouble.isCause(error)) throw error;
      core.journal.noteTags(tags);
      core.local?.forgetTagged(tags);
      if (onOutage === 'throw') throw error;
    } finally {
      // Whose tags these are is not known here.
      core.loader.forgetAll();
    }
  }

  async removeMatching(glob: string, { onOutage }: ResolvedEntryOptions, options: PatternOptions): Promise<number> {
    const { core } = this;
    const { signal, onProgress } = options;
    signal?.throwIfAborted();
    const pattern = globPattern(glob);
    core.order.overtakeMatching(pattern);
    core.local?.forgetMatching(pattern);
    this.scope.counters.add('invalidations');
    let removed = 0;
    try {
      await core.shared.run(async (driver) => {
        for await (const names of driver.scan(glob)) {
          signal?.throwIfAborted();
          core.forget(names);
          core.recent?.note(names);
          removed += await driver.delete(names);
          core.forget(names);
          onProgress?.(removed);
        }
      });
    } catch (error) {
      if (!core.trouble.isCause(error)) throw error;
      core.journal.noteGlob(glob);
      if (onOutage === 'throw') throw error;
    } finally {
      core.local?.forgetMatching(pattern);
      core.loader.forgetAll();
    }
    return removed;
  }

  async #set(
    name: string,
    prepared: Prepared,
    { onOutage }: ResolvedEntryOptions,
    reach: Reach = 'there',
  ): Promise<void> {
    const { core, scope } = this;
    const { stored } = prepared;
    const { tags, stamp } = stored.header;
    // Redis cannot be asked, and without its counter nobody could tell later whether the tags were invalidated since.
    if (tags.length > 0 && !stamp) {
      core.journal.noteDelete([name]);
      return core.forget([name]);
    }
    const fence = core.local?.fence(name);
    if (reach !== 'there') {
      // Of two values only the time of Redis tells which is the later one.
      if (reach === 'timeless') core.journal.noteDelete([name]);
      else core.journal.noteSet(name, stored);
      if (fence) await this.#keep(fence, prepared, false);
      return;
    }
    core.noteSent(name);
    try {
      try {
        await core.shared.run((driver) => driver.set(name, stored));
      } finally {
        // Reads that began while it was on its way may have read what it replaced.
        core.loader.forget(name);
        if (fence) core.local!.supersede(fence);
      }
      scope.counters.add('sets');
      if (fence) await this.#keep(fence, prepared, true);
    } catch (error) {
      core.noteLost(name);
      if (!core.trouble.isCause(error)) throw error;
      await this.#noteFailedSet(name, stored, error, onOutage);
      if (onOutage === 'throw') throw error;
      if (fence) await this.#keep(fence, prepared, false);
    } finally {
      if (fence) core.local!.lift(fence);
    }
  }

  /** @returns false when somebody else has written or removed the key, or Redis cannot tell */
  async #replace(name: string, prepared: Prepared, { token, kind, version }: Lease): Promise<boolean> {
    const { core, scope } = this;
    const { stored } = prepared;
    const fence = core.local?.fence(name);
    try {
      const replaced = await core.shared.run((driver) =>
        kind === 'placeholder' ? driver.fill(name, token, stored) : driver.refill(name, token, version!, stored),
      );
      if (!replaced) return false;
      scope.counters.add('sets');
      if (fence) await this.#keep(fence, prepared, true);
      return true;
    } catch (error) {
      if (!core.trouble.isCause(error)) throw error;
      return false;
    } finally {
      if (fence) core.local!.lift(fence);
    }
  }

  /** What was there before is stale in any case; a full server takes no value, but lets go of one. */
  async #noteFailedSet(name: string, stored: StoredValue, error: unknown, onOutage: 'load' | 'throw'): Promise<void> {
    const { core } = this;
    if (isErrorReply(error)) {
      try {
        await core.shared.run((driver) => driver.delete([name]));
        return;
      } catch (again) {
        if (!core.trouble.isCause(again)) throw again;
      }
    }
    // Whoever is told that it failed does not expect it to happen later on.
    if (onOutage === 'throw' || isErrorReply(error)) core.journal.noteDelete([name]);
    else core.journal.noteSet(name, stored);
  }

  async #keep(fence: Fence, { stored, back }: Prepared, shared: boolean): Promise<void> {
    const { core, scope } = this;
    const { value, copies } = back ?? (await readBack(scope, fence.name, stored));
    const text = fence.name.slice(scope.prefix.length);
    const slot = new Slot(fence.name, text, value, copies, stored.header, shared, performance.now(), 0);
    if (!shared) slot.suspect = true;
    core.local!.put(fence, slot, stored.body.length, scope.index);
  }

  /** @throws CacheValueError for what cannot be stored, and for what its scope would refuse to read again */
  async #prepared(
    name: string,
    value: unknown,
    entry: ResolvedEntryOptions,
    stamp = this.core.tags.stamp,
  ): Promise<Prepared> {
    const { core, scope } = this;
    const header = newHeader(scope, entry, value, core.shared.now(), entry.tags, stamp);
    const stored = await storable(scope, name, value, header);
    return { stored, back: scope.accept && (await readBack(scope, name, stored)) };
  }

  /** Before a value is written, the time of Redis has to be known, and the state of the tags if it has any. */
  async #readyFor({ tags, onOutage }: ResolvedEntryOptions): Promise<Reach> {
    const { core } = this;
    let reach: Reach = 'timeless';
    try {
      await core.driver.ready();
      reach = 'away';
      if (tags.length === 0) return 'there';
      core.reader.meetTags();
      if (!core.followsTags) core.tags.markStale();
      if (!core.tags.current) await core.shared.run(() => core.tags.catchUp());
      return 'there';
    } catch (error) {
      if (onOutage === 'throw' || !core.trouble.isCause(error)) throw error;
      // One that refuses to tell of tags may take values all the same.
      return isErrorReply(error) ? 'there' : reach;
    }
  }
}
