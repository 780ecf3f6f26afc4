import type { LimitNews } from '../news/limit-news.js';
import { DeniedSubjects, type DenyCacheParts, type DenyingPolicy } from './denied-subjects.js';
import { Denials } from './denials.js';
import { RecentForgets } from './recent-forgets.js';

const MOST = 10_000;

/**
 * The subjects that Redis has denied until some time, so that it need not be asked again before. A reset, the end of a block
 * and another limit free a subject at once in every process: while the news of that cannot be relied on, nothing is kept.
 * Invariant: no denial is held for longer than Redis would deny the same call, except for what the news are late.
 */
export class DenyCache {
  readonly #parts: DenyCacheParts;
  readonly #off: () => void;

  /**
   * @param most how many denials are kept
   * @param clock the monotonic one, in milliseconds
   */
  constructor(news: LimitNews, most = MOST, clock: () => number = () => performance.now()) {
    const denials = new Denials(most);
    this.#parts = { denials, forgets: new RecentForgets(), clock, isToldOfAll: () => news.alive };
    this.#off = news.on({
      told: (message) => {
        if (message.kind === 'forget') this.forget(message.key, message.ids);
      },
      // Whoever asked before may have been freed since by news that nobody told.
      armed: () => this.forget(),
      gap: () => this.forget(),
    });
  }

  get size(): number {
    return this.#parts.denials.size;
  }

  /** For policies that are decided together. To be kept with them: each has denials of its own. */
  forSet(policies: readonly DenyingPolicy[]): DeniedSubjects {
    return new DeniedSubjects(policies, this.#parts);
  }

  /**
   * Drops what is known in this process, also of the calls that are under way.
   *
   * @param key of the state of a subject; undefined: all of them
   * @param ids the rules; undefined: all of them
   */
  forget(key?: string, ids?: readonly number[]): void {
    const { denials, forgets, clock } = this.#parts;
    forgets.add(key, clock());
    for (const denial of key === undefined ? denials.every() : denials.of(key)) {
      if (ids === undefined || denial.owner.hasAny(ids)) denials.remove(denial);
    }
  }

  close(): void {
    this.#off();
    this.forget();
  }
}
