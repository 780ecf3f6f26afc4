import type { ClaimHistory, GrantSeen } from './history.js';

/** What a process has learnt of one of its claims, while its history is read. */
export class ClaimStory {
  readonly #aliveAt: number[] = [];
  #waitingSince: number | undefined;
  #queuedBy: number | undefined;
  #leftAt: number | undefined;
  #grant: GrantSeen | undefined;
  /** It was told that it waits when this was the last token of the lock: what it was granted with a smaller one is lost. */
  lostUpTo = 0n;
  /** Until when the store has confirmed the hold, and when that was known. */
  readonly #confirmations: { readonly at: number; readonly until: number }[] = [];
  /** The store has said that it does not hold. */
  lost = false;
  /** What the store has answered to its release. */
  endedAs: string | undefined;

  constructor(
    private readonly process: string,
    private readonly id: string,
    readonly key: string,
    private readonly ttlMs: number,
    private readonly liveMs: number,
    private readonly askedAt: number,
  ) {}

  /** The store has answered that it waits. */
  waits(sentAt: number, since: number, at: number): void {
    this.#queuedBy ??= at;
    this.#aliveAt.push(sentAt);
    this.#waitingSince = since;
    // A message of the grant may come before the reply to the question that the grant came after.
    if (this.#grant && this.#confirmations.length === 0) this.#handed(this.#grant.token, this.#grant.to);
  }

  /** It was granted by the answer to a question for it. */
  granted(token: bigint, sentAt: number, since: number, at: number): void {
    this.#grant ??= { token, from: Math.max(sentAt, this.#aliveAt.at(-1) ?? 0), to: at, freeBy: 0 };
    this.confirmed(since, this.ttlMs, at);
  }

  /** It turned out to have been granted since the store said last that it waits: by a message, a beat, or the reply to a release. */
  told(token: bigint, at: number): void {
    if (this.#grant === undefined) this.#handed(token, at);
  }

  confirmed(since: number, ttlMs: number, at: number): void {
    this.#confirmations.push({ at, until: since + ttlMs });
    if (this.#grant) this.#grant = { ...this.#grant, freeBy: Math.max(this.#grant.freeBy, at + ttlMs) };
  }

  leaves(at: number): void {
    this.#leftAt ??= at;
  }

  /** The store has confirmed that it holds nothing any more. */
  gone(at: number): void {
    if (this.#grant) this.#grant = { ...this.#grant, freeBy: at };
  }

  /** Until when it is valid, by what was known at that time; undefined when nothing was. */
  validUntil(knownAt = Infinity): number | undefined {
    const known = this.#confirmations.filter(({ at }) => at <= knownAt);
    return known.length > 0 ? Math.max(...known.map(({ until }) => until)) : undefined;
  }

  tell(): ClaimHistory {
    const { process, id, key, ttlMs, askedAt } = this;
    const aliveAt = this.#aliveAt;
    return {
      process,
      id,
      key,
      ttlMs,
      askedAt,
      queuedBy: this.#queuedBy,
      aliveAt,
      leftAt: this.#leftAt,
      grant: this.#grant,
    };
  }

  get #leaseMs(): number {
    return Math.min(this.ttlMs, this.liveMs);
  }

  #handed(token: bigint, at: number): void {
    const from = this.#aliveAt.at(-1) ?? this.askedAt;
    this.#grant = { token, from: Math.min(from, at), to: at, freeBy: at + this.#leaseMs };
    if (this.#waitingSince !== undefined) this.#confirmations.push({ at, until: this.#waitingSince + this.#leaseMs });
  }
}
