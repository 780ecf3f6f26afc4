import type { ReleaseOutcome } from '../lock.js';
import { LockRegister, type Grant } from './lock-register.js';
import { processOf } from './memory-queue.js';
import type {
  Answer,
  Beat,
  Busy,
  Claim,
  Granted,
  Hold,
  LockListener,
  LockState,
  ReleaseOptions,
  Renewal,
  Renewed,
} from './lock-driver.js';

/** What the store knows. From when it counts is known to the driver that asked. */
export type Undated<T> = T extends { readonly since: unknown } ? Omit<T, 'since'> : T;

// Locks that are free are looked for now and then, a few at a time: one pass over all of them would hold up everybody.
const SWEEP_EVERY = 64;
const SWEEP_AT_ONCE = 256;
const NEXT_MS = 1_000;

/** The locks of those processes that share it, in the memory of this one. Every call is one step. */
export class MemoryLockStore {
  readonly #registers = new Map<string, LockRegister>();
  readonly #listeners = new Map<string, Set<LockListener>>();
  #calls = 0;
  #sweep = this.#registers.entries();

  /** @param clock the time in whole microseconds */
  constructor(private readonly clock: () => number = systemClock) {}

  /** How many locks are known. */
  get size(): number {
    return this.#registers.size;
  }

  acquire(claims: readonly Claim[], queue: boolean): Undated<Answer> {
    const now = this.#tick();
    const asked = new Set(claims.map(({ id }) => id));
    for (const { key, id } of claims) {
      const register = this.#registers.get(key);
      if (queue) register?.queue.beat(processOf(id), now);
      if (register) this.#advance(register, now, asked);
    }
    const refused = claims.find((claim) => this.#registers.get(claim.key)?.admits(claim, now) === false);
    if (!refused) return this.#grant(claims, now);
    const register = this.#registers.get(refused.key)!;
    if (!queue) return register.busy(register.queue.placeOf(refused.id), now);
    register.queue.join(refused);
    return { state: 'waiting', nextMs: register.nextMs(now) };
  }

  beat(waiting: readonly Claim[]): Undated<Beat> {
    const now = this.#tick();
    const [claim] = waiting;
    if (!claim) return { tokens: [], lastToken: 0n, nextMs: NEXT_MS, first: false };
    const register = this.#registerOf(claim.key);
    const asked = new Set(waiting.map(({ id }) => id));
    register.queue.beat(processOf(claim.id), now);
    const held = waiting.filter(({ id }) => register.holderOf(id, now));
    for (const each of waiting) if (!held.includes(each)) register.queue.join(each);
    this.#advance(register, now, asked);
    // A grant that it was not told of counts from when it was told last, or from now: it is valid for both.
    for (const each of held) register.grant(each, register.holderOf(each.id, now)!.token, now);
    const tokens = waiting.map(({ id }) => register.holderOf(id, now)?.token);
    const { first } = register.queue;
    const isFirst = first !== undefined && asked.has(first.id);
    return { tokens, lastToken: register.lastToken, nextMs: register.nextMs(now), first: isFirst };
  }

  leave({ key, id }: Claim): Busy {
    const now = this.#tick();
    const register = this.#registers.get(key);
    if (!register) return { state: 'busy', position: 0 };
    const place = register.queue.placeOf(id);
    register.leave(id, now);
    this.#advance(register, now);
    return register.busy(place, now);
  }

  renew(renewals: readonly Renewal[]): Undated<Renewed>[] {
    const now = this.#tick();
    return renewals.map((renewal) => {
      const renewed = this.#registers.get(renewal.key)?.renew(renewal, renewal.ttlMs, renewal.tokenAtLeast ?? 0n, now);
      return typeof renewed === 'bigint' ? { state: 'renewed', token: renewed } : { state: renewed ?? 'expired' };
    });
  }

  release(holds: readonly Hold[], { keepMs = 0, prefer }: ReleaseOptions = {}): ReleaseOutcome {
    const now = this.#tick();
    const outcomes = holds.map((hold) => {
      const register = this.#registers.get(hold.key);
      if (!register) return 'expired';
      const { how, isRepeated } = register.release(hold, keepMs, now);
      if (prefer !== undefined && !isRepeated) this.#tell(register.prefer(prefer, now));
      this.#advance(register, now);
      return how;
    });
    return outcomes.find((how) => how !== 'released') ?? 'released';
  }

  force(key: string): number {
    const now = this.#tick();
    const register = this.#registers.get(key);
    if (!register) return 0;
    const forced = register.force(now);
    for (const id of forced) this.#notify(id, (listener) => listener.forced(id));
    this.#advance(register, now);
    return forced.length;
  }

  keys(prefix: string): string[] {
    return [...this.#registers.keys()].filter((key) => key.startsWith(prefix));
  }

  /** Undefined when the lock is neither held nor waited for. */
  state(key: string): LockState | undefined {
    return this.#registers.get(key)?.state(key, this.clock());
  }

  /** Calls `listener` with what happens to claims and holds of that process; the returned function ends that. */
  listen(process: string, listener: LockListener): () => void {
    const listeners = this.#listeners.get(process) ?? new Set();
    this.#listeners.set(process, listeners.add(listener));
    return () => {
      if (listeners.delete(listener) && listeners.size === 0) this.#listeners.delete(process);
    };
  }

  #grant(claims: readonly Claim[], now: number): Undated<Granted> {
    const registers = claims.map(({ key }) => this.#registerOf(key));
    const held = new Set(claims.map(({ id }, at) => registers[at]!.holderOf(id, now)?.token));
    const [before] = held;
    // Where they have one token, they were granted by a try whose reply was lost.
    const token =
      held.size === 1 && before !== undefined ? before : greatest(registers.map((each) => each.nextToken(now)));
    claims.forEach((claim, at) => registers[at]!.grant(claim, token, now));
    return { state: 'granted', token };
  }

  #advance(register: LockRegister, now: number, asked?: ReadonlySet<string>): void {
    this.#tell(register.advance(now, asked).filter(({ id }) => !asked?.has(id)));
  }

  #tell(grants: readonly Grant[]): void {
    for (const { id, token, key } of grants) this.#notify(id, (listener) => listener.granted(id, token, key));
  }

  /** Later: no process is called from within a call of another. */
  #notify(id: string, event: (listener: LockListener) => void): void {
    queueMicrotask(() => this.#listeners.get(processOf(id))?.forEach(event));
  }

  #registerOf(key: string): LockRegister {
    let register = this.#registers.get(key);
    if (!register) this.#registers.set(key, (register = new LockRegister()));
    return register;
  }

  #tick(): number {
    const now = this.clock();
    if (++this.#calls % SWEEP_EVERY === 0) this.#sweepSome(now);
    return now;
  }

  #sweepSome(now: number): void {
    for (let count = 0; count < SWEEP_AT_ONCE; count++) {
      const { done, value } = this.#sweep.next();
      if (done) {
        this.#sweep = this.#registers.entries();
        return;
      }
      if (value[1].isForgotten(now)) this.#registers.delete(value[0]);
    }
  }
}

function greatest(tokens: readonly bigint[]): bigint {
  return tokens.reduce((most, token) => (token > most ? token : most), 0n);
}

/** Unlike the clock of the machine it never goes back. */
function systemClock(): number {
  return Math.floor((performance.timeOrigin + performance.now()) * 1_000);
}
