import type { ResolvedEntryOptions } from '../cache.options.js';
import { cacheKeyText, type CacheKey } from '../keys/cache-key.js';
import type { CacheCore } from '../cache-core.js';
import type { LoadContext } from '../load/load-context.js';
import type { LoadRequest } from '../load/load-runner.js';
import { give } from '../local/frozen.js';
import type { Scope } from '../scope.js';

/** @param turn undefined for a load that nobody waits for */
export type TurnLoad = (context: LoadContext, turn: Turn | undefined) => unknown;

/** One turn of the event loop, and the entries that are asked for in it. */
export class Turn {
  readonly #ranks = new Map<string, number>();
  readonly #unread = new Set<string>();
  #readAll!: () => void;
  /** Resolves at its end. */
  readonly over: Promise<void>;
  /** Resolves once it is known of each entry whether this process has to load it. */
  readonly known = new Promise<void>((resolve) => (this.#readAll = resolve));

  /** @param end called at its end, before anybody who waits for that */
  constructor(end: (names: readonly string[]) => void) {
    this.over = new Promise((resolve) => {
      setImmediate(() => {
        end([...this.#unread]);
        resolve();
      });
    });
  }

  expect(name: string): void {
    if (!this.#ranks.has(name)) this.#ranks.set(name, this.#ranks.size);
    this.#unread.add(name);
  }

  /** How many others were asked for before it. */
  rank(name: string): number | undefined {
    return this.#ranks.get(name);
  }

  noteRead(name: string): void {
    if (this.#unread.delete(name) && this.#unread.size === 0) this.#readAll();
  }
}

/** Reads all entries of a scope that are asked for in one turn of the event loop by one command. */
export class TurnReads {
  #turn: Turn | undefined;

  constructor(
    private readonly core: CacheCore,
    private readonly scope: Scope,
    private readonly entry: ResolvedEntryOptions,
  ) {}

  /** What `CacheService.getOrSet` gives; only what is held in process is there before the turn is over. */
  async get(key: CacheKey, load: TurnLoad): Promise<unknown> {
    const { core, scope } = this;
    const text = cacheKeyText(key);
    const slot = scope.index.get(text);
    const now = performance.now();
    if (slot && core.local!.fresh(slot, now)) {
      scope.counters.localHit();
      core.loader.refreshSlot(this.#request(slot.name, load, undefined), slot, now);
      return give(slot, this.entry.clone);
    }
    const name = scope.prefix + text;
    const turn = (this.#turn ??= this.#begin());
    turn.expect(name);
    // Each caller goes on for itself, so that a loader that asks is still known as the one who asks.
    await turn.over;
    try {
      const found = await core.loader.load(this.#request(name, load, turn), () => turn.noteRead(name));
      return give(found, this.entry.clone);
    } finally {
      turn.noteRead(name);
    }
  }

  #begin(): Turn {
    return new Turn((names) => {
      this.#turn = undefined;
      this.core.reader.readMany(this.scope, names);
    });
  }

  #request(name: string, load: TurnLoad, turn: Turn | undefined): LoadRequest {
    return { scope: this.scope, name, load: (context) => load(context, turn), entry: this.entry };
  }
}
