import type { CacheDriver, TagStamp, TagState } from '../drivers/cache-driver.js';

// Whoever invalidates more tags than this while a process runs has it ask for the stamps of older entries one by one.
const MAX_STAMPS = 50_000;
const ATTEMPTS = 3;

type TagStore = Pick<CacheDriver, 'tagChanges' | 'tagStamps' | 'invalidateTags' | 'forgetTags'>;

/**
 * What this process knows of the invalidated tags. Invariant: for each tag it knows the last stamp as of `state`, or that
 * it is not later than `#since`; so an entry can be judged without asking, as long as nothing has changed since.
 */
export class TagMirror {
  #state: TagState | undefined;
  #stamps = new Map<string, number>();
  #since = 0;
  #stale = true;
  #catchingUp: Promise<boolean> | undefined;
  /** Changes with everything that could make an entry invalid: what was judged before need not be judged again. */
  version = 0;

  constructor(private readonly store: TagStore) {}

  /** Whether everything is known that this process has been told of. */
  get current(): boolean {
    return !this.#stale && this.#catchingUp === undefined;
  }

  /** The counter of the store, as far as it is known here; never later than it is. Undefined before the first `catchUp`. */
  get stamp(): TagStamp | undefined {
    return this.#state;
  }

  /** Something has changed, or may have. */
  markStale(): void {
    this.#stale = true;
  }

  /** Takes note of the state that was read along with an entry; undefined: the bookkeeping is gone. */
  observe(state: TagState | undefined): void {
    const known = this.#state;
    if (state === undefined || known === undefined || state.epoch !== known.epoch) this.#stale = true;
    else if (state.seq > known.seq || state.floor > known.floor) this.#stale = true;
    if (state === undefined && known !== undefined) this.#reset(undefined);
  }

  /** Resolves to true once all is known that this process had been told of by then; to false when too much happens. */
  async catchUp(): Promise<boolean> {
    for (let attempt = 0; attempt < ATTEMPTS && !this.current; attempt++) {
      // What was asked before the call may have been asked before this process was told.
      const joins = attempt === 0 && this.#catchingUp !== undefined;
      this.#catchingUp ??= this.#catchUp().finally(() => (this.#catchingUp = undefined));
      if ((await this.#catchingUp) && !joins) return true;
    }
    return this.current;
  }

  /** Whether an entry is valid as far as its tags go; undefined when it is older than what is known. */
  judge(stamp: TagStamp, tags: readonly string[]): boolean | undefined {
    const state = this.#state;
    if (!state || stamp.epoch !== state.epoch || stamp.seq < state.floor) return false;
    let known = true;
    for (const tag of tags) {
      const last = this.#stamps.get(tag);
      if (last === undefined) known &&= stamp.seq >= this.#since;
      else if (last > stamp.seq) return false;
    }
    return known ? true : undefined;
  }

  /** The same, asking the store if need be. */
  async isValid(stamp: TagStamp, tags: readonly string[]): Promise<boolean> {
    if (!(await this.catchUp())) return false;
    const verdict = this.judge(stamp, tags);
    if (verdict !== undefined) return verdict;
    const missing = tags.filter((tag) => !this.#stamps.has(tag));
    const { version } = this;
    const stamps = await this.store.tagStamps(missing, stamp.epoch);
    if (!stamps) {
      this.#stale = true;
      return false;
    }
    if (version === this.version) missing.forEach((tag, index) => this.#stamps.set(tag, stamps[index]!));
    return stamps.every((last) => last <= stamp.seq) && this.judge(stamp, []) === true;
  }

  /** @throws what the store does; then nothing is known to have been invalidated. */
  async invalidate(tags: readonly string[]): Promise<void> {
    const state = await this.store.invalidateTags(tags);
    const known = this.#state;
    this.version += 1;
    if (state === undefined) return this.observe(undefined);
    if (known?.epoch !== state.epoch || known.seq !== state.seq - 1) {
      this.#stale = true;
      return;
    }
    for (const tag of tags) this.#stamps.set(tag, state.seq);
    this.#state = state;
  }

  async #catchUp(): Promise<boolean> {
    // Before the question, so that what is reported while it is under way is asked for again.
    this.#stale = false;
    const known = this.#state;
    try {
      const { state, stamps, since } = await this.store.tagChanges(known);
      if (known !== this.#state) {
        this.#stale = true;
        return false;
      }
      if (known?.epoch === state.epoch && state.seq < known.seq) {
        // A failover has lost stamps: the same numbers would come again, for other tags.
        await this.store.forgetTags();
        this.#stale = true;
        return false;
      }
      if (known?.epoch !== state.epoch || since > known.seq) this.#reset(since);
      for (const [tag, seq] of stamps) this.#stamps.set(tag, seq);
      if (this.#stamps.size > MAX_STAMPS) this.#reset(state.seq);
      this.#state = state;
      this.version += 1;
      return true;
    } catch (error) {
      this.#stale = true;
      throw error;
    }
  }

  #reset(since: number | undefined): void {
    this.#stamps = new Map();
    this.#since = since ?? 0;
    this.#state = undefined;
    this.version += 1;
  }
}
