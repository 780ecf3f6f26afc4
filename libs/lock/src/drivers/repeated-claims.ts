import type { CommandArgument } from '@nuthatch/redis/internal';

const CLAIMS_AT = 2;

/**
 * Claims that were sent more than once, as the first reply was lost. Where a proxy holds back what it was sent, the first may still
 * arrive, until its caller would have given up: after the release of what the second was granted.
 */
export class RepeatedClaims {
  readonly #until = new Map<string, number>();
  readonly #timers = new Set<NodeJS.Timeout>();

  /** @param release ends a hold of that id, if there is one */
  constructor(private readonly release: (key: string, id: string) => Promise<unknown>) {}

  /** @param args of the script, see acquire.lua @param giveUpAt when what was sent first has no effect any more */
  note(args: readonly CommandArgument[], giveUpAt: number): void {
    const now = performance.now();
    for (const [id, until] of this.#until) if (until < now) this.#until.delete(id);
    for (const claim of args.slice(CLAIMS_AT).map(String))
      this.#until.set(claim.slice(0, claim.indexOf(' ')), giveUpAt);
  }

  /** The hold is released. */
  released(key: string, id: string): void {
    if (this.#until.size === 0) return;
    const until = this.#until.get(id);
    if (until === undefined) return;
    const again = (): void => {
      this.#timers.delete(timer);
      this.release(key, id).catch(() => 'it ends with its time');
    };
    const timer = setTimeout(again, Math.max(0, until - performance.now()) + 1).unref();
    this.#timers.add(timer);
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
