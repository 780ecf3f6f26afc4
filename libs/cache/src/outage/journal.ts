import type { CacheDriver, StoredValue } from '../drivers/cache-driver.js';
import { isErrorReply } from './redis-trouble.js';

type JournalStore = Pick<CacheDriver, 'delete' | 'expire' | 'restore' | 'invalidateTags' | 'forgetTags' | 'scan'>;

type KeyNote = { readonly kind: 'delete' | 'expire' } | { readonly kind: 'set'; readonly entry: StoredValue };

export interface JournalLimits {
  /** How many keys, and how many tags, are noted one by one. */
  readonly notes: number;
}

const KEYS_PER_CALL = 500;

/**
 * Writes and invalidations that Redis could not be told of. Invariant: none is forgotten before Redis has taken it, and
 * while there is one the shared tier is not read. Of several notes for one key the newest counts. Where there are too many
 * keys to note, all that begins like them is deleted in their place.
 *
 * A value that could not be set replaces only an older one: where there is none, somebody may have deleted it meanwhile,
 * and nothing that was invalidated may come back to life.
 */
export class Journal {
  readonly #keys = new Map<string, KeyNote>();
  readonly #tags = new Set<string>();
  readonly #globs = new Set<string>();
  #replaying: Promise<void> | undefined;
  /** Whether Redis took nothing more when it was told last. */
  #refused = false;

  /** @param everything the glob of all keys of the cache */
  constructor(
    private readonly store: JournalStore,
    private readonly everything: string,
    private readonly limits: JournalLimits = { notes: 10_000 },
  ) {}

  get size(): number {
    return this.#keys.size + this.#tags.size + this.#globs.size;
  }

  /** Whether there is anything that Redis has not taken yet. */
  get pending(): boolean {
    return this.#keys.size > 0 || this.#tags.size > 0 || this.#globs.size > 0 || this.#replaying !== undefined;
  }

  noteSet(name: string, entry: StoredValue): void {
    this.#noteKey(name, { kind: 'set', entry });
  }

  noteDelete(names: Iterable<string>): void {
    for (const name of names) this.#noteKey(name, { kind: 'delete' });
  }

  noteExpire(names: Iterable<string>): void {
    // What a set or a deletion should have replaced must not live on in its grace.
    for (const name of names) {
      const replaced = this.#keys.has(name) && this.#keys.get(name)!.kind !== 'expire';
      this.#noteKey(name, { kind: replaced ? 'delete' : 'expire' });
    }
  }

  noteTags(tags: Iterable<string>): void {
    for (const tag of tags) this.#tags.add(tag);
    if (this.#tags.size > this.limits.notes) this.#overflow();
  }

  noteGlob(glob: string): void {
    this.#globs.add(glob);
    if (this.#globs.size > this.limits.notes / 100) this.#overflow();
  }

  /**
   * Tells Redis all that is noted.
   *
   * @throws what the store does; what it has not taken stays noted.
   */
  replay(): Promise<void> {
    this.#replaying ??= this.#replay().finally(() => (this.#replaying = undefined));
    return this.#replaying;
  }

  async #replay(): Promise<void> {
    try {
      // Every call to the cache comes by here: one note is enough to find out that Redis still takes none.
      if (this.#refused) await this.#tellOne();
      await this.#tellAll();
      this.#refused = false;
    } catch (error) {
      this.#refused = true;
      throw error;
    }
  }

  #noteKey(name: string, note: KeyNote): void {
    this.#keys.delete(name);
    this.#keys.set(name, note);
    if (this.#keys.size > this.limits.notes) this.#overflow();
  }

  #overflow(): void {
    this.#keys.clear();
    this.#tags.clear();
    this.#globs.clear();
    this.#globs.add(this.everything);
  }

  async #tellOne(): Promise<void> {
    const [key] = this.#keys;
    const [tag] = this.#tags;
    if (key) await this.#tell([key]);
    else if (tag !== undefined) await this.#takeTags([tag]);
  }

  async #tellAll(): Promise<void> {
    await this.#take(this.#globs, [...this.#globs], async (globs) => {
      for (const glob of globs) for await (const names of this.store.scan(glob)) await this.store.delete(names);
    });
    await this.#takeTags([...this.#tags]);
    const notes = [...this.#keys];
    for (let from = 0; from < notes.length; from += KEYS_PER_CALL)
      await this.#tell(notes.slice(from, from + KEYS_PER_CALL));
  }

  #takeTags(taken: readonly string[]): Promise<void> {
    return this.#take(this.#tags, taken, (tags) =>
      orElse(this.store.invalidateTags(tags), () => this.store.forgetTags()),
    );
  }

  /** What is noted again while this is under way must be told again. */
  async #take(
    notes: Set<string>,
    taken: readonly string[],
    tell: (notes: readonly string[]) => Promise<unknown>,
  ): Promise<void> {
    if (taken.length === 0) return;
    for (const note of taken) notes.delete(note);
    try {
      await tell(taken);
    } catch (error) {
      for (const note of taken) notes.add(note);
      throw error;
    }
  }

  async #tell(notes: readonly (readonly [string, KeyNote])[]): Promise<void> {
    const named = (kind: KeyNote['kind']): string[] =>
      notes.filter(([, note]) => note.kind === kind).map(([name]) => name);
    const deleted = named('delete');
    const expired = named('expire');
    await Promise.all([
      deleted.length > 0 && this.store.delete(deleted),
      expired.length > 0 && orElse(this.store.expire(expired), () => this.store.delete(expired)),
      ...notes.map(
        ([name, note]) =>
          note.kind === 'set' && orElse(this.store.restore(name, note.entry), () => this.store.delete([name])),
      ),
    ]);
    // A newer note for the same key has come meanwhile, and is still to be told.
    for (const [name, note] of notes) if (this.#keys.get(name) === note) this.#keys.delete(name);
  }
}

/** A full server takes nothing, but lets go of what it has. */
async function orElse(told: Promise<unknown>, letGo: () => Promise<unknown>): Promise<void> {
  try {
    await told;
  } catch (error) {
    if (!isErrorReply(error)) throw error;
    await letGo();
  }
}
