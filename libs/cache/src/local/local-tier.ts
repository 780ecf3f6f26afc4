import { LRUCache } from 'lru-cache';
import type { TagMirror } from '../tags/tag-mirror.js';
import { Slot } from './slot.js';

export interface LocalLimits {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** The entries of one scope by the text of their keys, which saves a hit from putting a name together. */
export type LocalIndex = ReadonlyMap<string, Slot>;

/** What makes of a value that was read the one that is served, or refuses it. */
type Accept = (value: unknown) => unknown;

/** Scopes of one namespace share what they hold only if they would make the same of it. */
interface ScopeIndex {
  readonly revision: string;
  readonly accept: Accept | undefined;
  readonly slots: Map<string, Slot>;
}

/** What may happen to a key while an entry for it is on its way here. */
export interface Fence {
  readonly name: string;
  /** This process has written or removed the key. */
  forgotten: boolean;
  /** How often somebody has, as far as it was reported. */
  changes: number;
}

// What an entry costs beside its text: the slot, its places in two maps, the parsed header.
const OVERHEAD_BYTES = 400;
// What is read is moved to the young end once while so much of the room is taken anew: at each read it would double its price, and where
// nothing is taken in nothing has to leave.
const ROUND_SHARE = 1 / 8;
// How long a process trusts what it has just written itself while it makes sure that nobody was faster.
const OWN_WRITE_MS = 1_000;

/**
 * The tier in process. Invariant: what `fresh` returns was the value in the shared tier at some time after the last
 * change of its key that has been reported here, and of its tags; and nothing is fresh while reports may be missing.
 */
export class LocalTier {
  readonly #slots: LRUCache<string, Slot>;
  readonly #indexes = new Map<string, ScopeIndex[]>();
  readonly #fences = new Map<string, Set<Fence>>();
  /** Entries that are good for an outage, and for nothing else. */
  readonly #remains = new Set<Slot>();
  /** Of room in entries and in bytes, what a round takes. */
  readonly #roundEntries: number;
  readonly #roundBytes: number;
  #round = 0;
  #takenEntries = 0;
  #takenBytes = 0;
  #evictions = 0;
  /** Whether every change is being reported. */
  trusted = false;
  /** How long an entry is served at most, in milliseconds. */
  maxAgeMs = Number.POSITIVE_INFINITY;
  /** When that has to be said anew, on the monotonic clock: a process that stands still hears nothing, and says nothing. */
  trustedUntil = Number.POSITIVE_INFINITY;

  /** @param suspected called with an entry that needs to be compared with the shared tier */
  constructor(
    { maxEntries, maxBytes }: LocalLimits,
    private readonly tags: TagMirror,
    private readonly suspected: (slot: Slot) => void,
  ) {
    this.#roundEntries = maxEntries * ROUND_SHARE;
    this.#roundBytes = maxBytes * ROUND_SHARE;
    this.#slots = new LRUCache<string, Slot>({
      max: maxEntries,
      maxSize: maxBytes,
      dispose: (slot, _name, reason) => {
        if (slot.index?.get(slot.text) === slot) slot.index.delete(slot.text);
        if (slot.suspect) this.#remains.delete(slot);
        if (reason === 'evict') this.#evictions += 1;
      },
    });
  }

  get entries(): number {
    return this.#slots.size;
  }

  get bytes(): number {
    return this.#slots.calculatedSize;
  }

  get evictions(): number {
    return this.#evictions;
  }

  /** @param prefix begins the names of a namespace */
  index(prefix: string, revision = '', accept?: Accept): LocalIndex {
    const indexes = this.#indexes.get(prefix) ?? [];
    const known = indexes.find((index) => index.revision === revision && index.accept === accept);
    if (known) return known.slots;
    const slots = new Map<string, Slot>();
    this.#indexes.set(prefix, [...indexes, { revision, accept, slots }]);
    return slots;
  }

  /** Whether the entry may be served without asking anybody. */
  fresh(slot: Slot, now: number): boolean {
    if (now >= slot.servedUntil || slot.suspect || !this.trusted || now >= this.trustedUntil) return false;
    if (slot.tagged && !this.#tagsAreValid(slot)) return false;
    if (slot.usedIn !== this.#round) {
      slot.usedIn = this.#round;
      this.#slots.get(slot.name);
    }
    return true;
  }

  /** The same for who cannot wait: it takes the word of this process for what it has written a moment ago. */
  freshAtOnce(slot: Slot, now: number): boolean {
    if (!slot.suspect) return this.fresh(slot, now);
    if (!slot.own || slot.reports > 1 || now - slot.putAt >= OWN_WRITE_MS || now >= slot.freshUntil) return false;
    if (!this.trusted || now >= this.trustedUntil) return false;
    return !slot.tagged || this.#tagsAreValid(slot);
  }

  /**
   * What is left while the shared tier cannot be asked, as long as its grace lasts.
   *
   * @param index that of the scope that asks
   */
  remains(name: string, index: LocalIndex): Slot | undefined {
    const slot = this.#slots.get(name);
    if (!slot || slot.reports > 1 || performance.now() >= slot.staleUntil) return undefined;
    if (slot.index !== index) return undefined;
    const { stamp, tags } = slot.header;
    return stamp === undefined || this.tags.judge(stamp, tags) !== false ? slot : undefined;
  }

  /** Marks the time from which on a change of the key matters to who is about to bring an entry for it. */
  fence(name: string): Fence {
    const fence = { name, forgotten: false, changes: 0 };
    const fences = this.#fences.get(name);
    if (fences) fences.add(fence);
    else this.#fences.set(name, new Set([fence]));
    return fence;
  }

  lift(fence: Fence): void {
    const fences = this.#fences.get(fence.name);
    fences?.delete(fence);
    if (fences?.size === 0) this.#fences.delete(fence.name);
  }

  /**
   * Takes an entry in, unless its key has changed since the fence was put up; which is lifted.
   *
   * @param index that of the scope that brings it
   */
  put(fence: Fence, slot: Slot, bodyLength: number, index: LocalIndex): void {
    this.lift(fence);
    // The report of an own write and that of another cannot be told apart, so the entry waits until it is compared.
    if (fence.forgotten || (fence.changes > 0 && !slot.own)) return;
    slot.index = index as Map<string, Slot>;
    slot.servedUntil = Math.floor(Math.min(slot.freshUntil, slot.putAt + this.maxAgeMs));
    const size = 2 * (bodyLength + slot.name.length) + OVERHEAD_BYTES;
    slot.usedIn = this.#take(size);
    this.#slots.set(slot.name, slot, { size });
    // One that is larger than all the room there is has not been taken in.
    if (this.#slots.peek(slot.name) !== slot) return;
    slot.index.set(slot.text, slot);
    if (slot.suspect) this.#remains.add(slot);
    slot.reports = fence.changes;
    if (slot.reports > 0) this.#suspect(slot);
  }

  /** The shared tier has been asked: the outage is over, and nobody reports a change of what it does not have. */
  outageIsOver(): void {
    if (this.#remains.size > 0) for (const slot of this.#remains) this.drop(slot);
  }

  /** The shared tier has no value for the key. */
  gone(name: string): void {
    this.#slots.delete(name);
  }

  /** This process writes or removes the key. */
  forget(name: string): void {
    this.#fences.get(name)?.forEach((fence) => (fence.forgotten = true));
    this.#slots.delete(name);
  }

  /** What else is on its way here for the key may be older than the write that this fence is for. */
  supersede(fence: Fence): void {
    if (fence.forgotten) return;
    for (const other of this.#fences.get(fence.name) ?? []) if (other !== fence) other.forgotten = true;
  }

  /** The shared tier reports that somebody has written or removed the key, or that it has expired there. */
  changed(name: string): void {
    this.#fences.get(name)?.forEach((fence) => (fence.changes += 1));
    const slot = this.#slots.peek(name);
    if (!slot) return;
    slot.reports += 1;
    if (slot.own) this.#suspect(slot);
    else this.#slots.delete(name);
  }

  drop(slot: Slot): void {
    if (this.#slots.peek(slot.name) === slot) this.#slots.delete(slot.name);
  }

  forgetMatching(pattern: RegExp): void {
    for (const name of this.#fences.keys()) if (pattern.test(name)) this.forget(name);
    for (const name of this.#slots.keys()) if (pattern.test(name)) this.forget(name);
  }

  /** The tags were invalidated, which the shared tier could not be told. */
  forgetTagged(tags: readonly string[]): void {
    // Of what is on its way here nobody knows the tags yet.
    this.#forgetFences();
    const dead = new Set(tags);
    for (const slot of this.#slots.values()) if (slot.header.tags.some((tag) => dead.has(tag))) this.forget(slot.name);
  }

  /** Anything may have changed. */
  clear(): void {
    this.#forgetFences();
    this.#slots.clear();
  }

  #forgetFences(): void {
    for (const fences of this.#fences.values()) fences.forEach((fence) => (fence.forgotten = true));
  }

  #suspect(slot: Slot): void {
    // Whoever changed it may have done so after the comparison has read it.
    if (slot.comparing) return this.drop(slot);
    if (slot.suspect) return;
    slot.suspect = true;
    this.suspected(slot);
  }

  /** Notes that so many bytes are taken in, and returns in which round. */
  #take(bytes: number): number {
    this.#takenEntries += 1;
    this.#takenBytes += bytes;
    if (this.#takenEntries >= this.#roundEntries || this.#takenBytes >= this.#roundBytes) {
      this.#round += 1;
      this.#takenEntries = 0;
      this.#takenBytes = 0;
    }
    return this.#round;
  }

  #tagsAreValid(slot: Slot): boolean {
    if (!this.tags.current) return false;
    if (slot.judgedAt === this.tags.version) return true;
    const valid = this.tags.judge(slot.header.stamp!, slot.header.tags);
    if (valid) slot.judgedAt = this.tags.version;
    if (valid === false) this.drop(slot);
    return valid === true;
  }
}
