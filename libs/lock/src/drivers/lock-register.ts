import type { ReleaseOutcome } from '../lock.js';
import { FENCE_KEPT_MS, HANDED_MS, type Busy, type Claim, type Hold, type LockState } from './lock-driver.js';
import { WaitQueue } from './memory-queue.js';

/** A hold that has begun. */
export interface Grant {
  readonly id: string;
  readonly token: bigint;
  readonly key: string;
}

interface Holder {
  readonly id: string;
  readonly weight: number;
  readonly delayUs: number;
  readonly grantedAt: number;
  token: bigint;
  endsAt: number;
}

/** Permits that nobody holds and nobody is granted. */
interface Pause {
  readonly weight: number;
  readonly endsAt: number;
}

interface Ending {
  readonly how: Exclude<ReleaseOutcome, 'stolen'>;
  /** Of the lock, at that time: a later grant has taken what an expired hold has lost. */
  readonly lastToken: bigint;
}

const MS = 1_000;
const NEXT_MOST_MS = 1_000;
// Of a semaphore several holds may have ended when a release is repeated; all that ever were cannot be remembered.
const MOST_ENDINGS = 64;
const NONE: ReadonlySet<string> = new Set();

/**
 * One lock: who holds it, who waits for it, and how its last holds ended. It has no clock: each step is told the moment, in whole
 * microseconds. Invariant: after {@link advance} nobody waits who could be granted.
 */
export class LockRegister {
  readonly queue = new WaitQueue();
  #lastToken = 0n;
  #holders: Holder[] = [];
  #pauses: Pause[] = [];
  readonly #endings = new Map<string, Ending>();
  #forgottenAt = 0;

  /** Whether nothing of it matters any more. */
  isForgotten(now: number): boolean {
    return this.#forgottenAt <= now && this.queue.alive(now).length === 0;
  }

  /**
   * Ends what is over, and grants what is free to those who wait first.
   *
   * @param asked the ids of those that ask for this: they are granted their whole time
   */
  advance(now: number, asked = NONE): Grant[] {
    this.#expire(now);
    this.queue.dropDead(now);
    const grants: Grant[] = [];
    for (let { first } = this.queue; first && this.#fits(first); { first } = this.queue)
      grants.push(this.#grantWaiter(first, now, asked.has(first.id)));
    return grants;
  }

  /** Grants to that waiter before all others, if it fits. */
  prefer(id: string, now: number): Grant[] {
    this.#expire(now);
    const waiter = this.queue.alive(now).find((claim) => claim.id === id);
    return waiter && this.#fits(waiter) ? [this.#grantWaiter(waiter, now, false)] : [];
  }

  /** After {@link advance}: whether the claim is granted, or can be without passing anybody who waits. */
  admits(claim: Claim, now: number): boolean {
    return this.holderOf(claim.id, now) !== undefined || (!this.queue.first && this.#fits(claim));
  }

  get lastToken(): bigint {
    return this.#lastToken;
  }

  nextToken(now: number): bigint {
    const time = BigInt(now);
    return time > this.#lastToken ? time : this.#lastToken + 1n;
  }

  /** Grants, also again, what {@link admits} has let in. */
  grant({ id, weight, ttlMs, delayMs }: Claim, token: bigint, now: number): void {
    const endsAt = now + ttlMs * MS;
    let holder = this.holderOf(id, now);
    if (!holder) {
      holder = { id, weight, delayUs: delayMs * MS, grantedAt: now, token, endsAt };
      this.#holders.push(holder);
    }
    this.#prolong(holder, Math.max(holder.endsAt, endsAt), token);
  }

  /** Makes a hold valid for `ttlMs` from now on. @returns its token, or how it ended */
  renew(hold: Hold, ttlMs: number, tokenAtLeast: bigint, now: number): bigint | Exclude<ReleaseOutcome, 'released'> {
    this.#expire(now);
    const holder = this.holderOf(hold.id, now);
    if (holder) {
      this.#prolong(holder, now + ttlMs * MS, tokenAtLeast > holder.token ? tokenAtLeast : holder.token);
      return holder.token;
    }
    const how = this.#howEnded(hold);
    return how === 'released' ? this.#lostSince(hold.token) : how;
  }

  /** @param keepMs for how long after its grant the permits of the hold are granted to nobody */
  release(hold: Hold, keepMs: number, now: number): { readonly how: ReleaseOutcome; readonly isRepeated: boolean } {
    this.#expire(now);
    const holder = this.holderOf(hold.id, now);
    if (!holder) return { how: this.#howEnded(hold), isRepeated: true };
    this.#end(holder, 'released', holder.grantedAt + keepMs * MS, now);
    return { how: 'released', isRepeated: false };
  }

  /** Gives up a place in the queue, or a hold. */
  leave(id: string, now: number): void {
    this.queue.leave(id);
    const holder = this.holderOf(id, now);
    if (holder) this.#end(holder, 'released', now, now);
  }

  /** Ends all holds, and what holds have left behind. @returns the ids of the holds */
  force(now: number): string[] {
    this.#expire(now);
    this.#pauses = [];
    const forced = this.#holders;
    for (const holder of forced) this.#end(holder, 'forced', now, now);
    return forced.map(({ id }) => id);
  }

  holderOf(id: string, now: number): Readonly<Holder> | undefined {
    return this.#holdersAt(now).find((holder) => holder.id === id);
  }

  busy(position: number, now: number): Busy {
    const [holder] = this.#holdersAt(now);
    if (!holder) return { state: 'busy', position };
    const { id, token, endsAt } = holder;
    return { state: 'busy', position, holder: { id, token }, remainingMs: millis(endsAt - now) };
  }

  /** See `nextMs` of Waiting. */
  nextMs(now: number): number {
    const frees = [...this.#holders.map(freeAt), ...this.#pauses.map(({ endsAt }) => endsAt)];
    return Math.min(NEXT_MOST_MS, ...frees.map((at) => millis(at - now)));
  }

  /** Undefined when it is neither held nor waited for. */
  state(key: string, now: number): LockState | undefined {
    const holders = this.#holdersAt(now).map(({ id, token, weight, endsAt }) => {
      return { id, token, weight, remainingMs: millis(endsAt - now) };
    });
    const waiters = this.queue.alive(now).map(({ id }) => id);
    return holders.length + waiters.length > 0 ? { key, holders, waiters } : undefined;
  }

  #grantWaiter(waiter: Claim, now: number, isAsked: boolean): Grant {
    const { id, key, ttlMs } = waiter;
    const token = this.nextToken(now);
    this.queue.leave(id);
    this.grant(isAsked ? waiter : { ...waiter, ttlMs: Math.min(ttlMs, HANDED_MS) }, token, now);
    return { id, token, key };
  }

  #holdersAt(now: number): Holder[] {
    return this.#holders.filter(({ endsAt }) => endsAt > now);
  }

  #fits({ weight, permits }: Claim): boolean {
    const taken = [...this.#holders, ...this.#pauses].reduce((sum, part) => sum + part.weight, 0);
    return taken + weight <= permits;
  }

  #expire(now: number): void {
    for (const holder of this.#holders) if (holder.endsAt <= now) this.#end(holder, 'expired', freeAt(holder), now);
    this.#pauses = this.#pauses.filter(({ endsAt }) => endsAt > now);
  }

  #end(holder: Holder, how: Ending['how'], pausedUntil: number, now: number): void {
    this.#holders = this.#holders.filter((other) => other !== holder);
    if (pausedUntil > now) {
      this.#pauses.push({ weight: holder.weight, endsAt: pausedUntil });
      this.#rememberBeyond(pausedUntil);
    }
    this.#endings.set(holder.id, { how, lastToken: this.#lastToken });
    if (this.#endings.size <= MOST_ENDINGS) return;
    for (const oldest of this.#endings.keys()) {
      this.#endings.delete(oldest);
      return;
    }
  }

  #prolong(holder: Holder, endsAt: number, token: bigint): void {
    holder.endsAt = endsAt;
    holder.token = token;
    if (token > this.#lastToken) this.#lastToken = token;
    this.#rememberBeyond(freeAt(holder));
  }

  #rememberBeyond(at: number): void {
    this.#forgottenAt = Math.max(this.#forgottenAt, at + FENCE_KEPT_MS * MS);
  }

  #howEnded({ id, token }: Hold): ReleaseOutcome {
    const ending = this.#endings.get(id);
    if (!ending) return this.#lostSince(token);
    return ending.how === 'expired' ? this.#lostSince(ending.lastToken) : ending.how;
  }

  #lostSince(token: bigint): 'stolen' | 'expired' {
    return this.#lastToken > token ? 'stolen' : 'expired';
  }
}

function freeAt({ endsAt, delayUs }: Holder): number {
  return endsAt + delayUs;
}

function millis(us: number): number {
  return Math.ceil(us / MS);
}
