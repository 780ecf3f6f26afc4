import assert from 'node:assert/strict';
import { elapsedSince, type Moment } from '../moment.js';
import type { Answer, Beat, Claim, Hold, LockDriver, LockState, Renewed } from '../drivers/lock-driver.js';

const PATIENCE_MS = 5_000;
// Clocks tick apart, and times are rounded.
const TICK_MS = 2;

/** A process that asks for locks, and what it was told. */
export class TestProcess {
  /** The tokens of the claims that were granted later, by their ids. */
  readonly granted = new Map<string, bigint>();
  readonly forced: string[] = [];
  #claims = 0;

  constructor(
    readonly name: string,
    readonly driver: LockDriver,
  ) {
    driver.listen({
      granted: (id, token) => void this.granted.set(id, token),
      forced: (id) => void this.forced.push(id),
      gap: () => undefined,
      moved: () => undefined,
    });
  }

  /** By default of a mutex, for a minute. */
  claim(key: string, parts: Partial<Omit<Claim, 'key' | 'id'>> = {}): Claim {
    const id = `${this.name}:${++this.#claims}`;
    return { permits: 1, weight: 1, ttlMs: 60_000, delayMs: 0, ...parts, key, id };
  }

  /** Does not wait. */
  try(...claims: Claim[]): Promise<Answer> {
    return this.driver.acquire(claims, false, inTime());
  }

  queue(claim: Claim): Promise<Answer> {
    return this.driver.acquire([claim], true, inTime());
  }

  beat(...waiting: Claim[]): Promise<Beat> {
    return this.driver.beat(waiting, inTime());
  }

  async hold(claim: Claim): Promise<Hold> {
    return { key: claim.key, id: claim.id, token: tokenOf(await this.try(claim)) };
  }

  /** Takes a place in the queue. */
  async wait(claim: Claim): Promise<Claim> {
    assert.equal((await this.queue(claim)).state, 'waiting');
    return claim;
  }

  /** Waits to be told that a claim was granted. */
  async toldOf({ key, id }: Claim): Promise<Hold> {
    const token = await eventually(() => this.granted.get(id), `the grant of ${id} to be told`);
    return { key, id, token };
  }

  async renew(hold: Hold, ttlMs = 60_000, tokenAtLeast?: bigint): Promise<Renewed> {
    const renewal = { ...hold, ttlMs, ...(tokenAtLeast !== undefined && { tokenAtLeast }) };
    const [renewed] = await this.driver.renew([renewal], inTime());
    return renewed!;
  }

  release(...holds: Hold[]): Promise<string> {
    return this.driver.release(holds);
  }

  async list(prefix: string): Promise<LockState[]> {
    const states: LockState[] = [];
    for await (const state of this.driver.list(prefix)) states.push(state);
    return states;
  }

  /** The lock as the store sees it. */
  async look(key: string): Promise<LockState> {
    const states = await this.list(key);
    return states.find((state) => state.key === key) ?? { key, holders: [], waiters: [] };
  }

  async holders(key: string): Promise<string[]> {
    return (await this.look(key)).holders.map(({ id }) => id);
  }

  /** Whether the store holds a lock for as long as its holder believes, and not much longer. */
  async assertValid({ key, id }: Hold, since: Moment, forMs: number, mostMs = forMs): Promise<void> {
    const { holders } = await this.look(key);
    const remainingMs = holders.find((holder) => holder.id === id)?.remainingMs ?? 0;
    const believedMs = forMs - elapsedSince(since);
    assert.ok(remainingMs >= believedMs - TICK_MS, `held for ${remainingMs}ms, believed ${believedMs}ms`);
    assert.ok(remainingMs <= mostMs + TICK_MS, `held for ${remainingMs}ms instead of ${mostMs}ms`);
  }
}

export function inTime(): number {
  return performance.now() + PATIENCE_MS;
}

export function tokenOf(answer: Answer): bigint {
  assert.equal(answer.state, 'granted');
  return (answer as Extract<Answer, { state: 'granted' }>).token;
}

/** Asks until there is an answer. */
export async function eventually<T>(ask: () => T | undefined, what: string): Promise<T> {
  const endsAt = inTime();
  for (;;) {
    const answer = ask();
    if (answer !== undefined) return answer;
    if (performance.now() >= endsAt) assert.fail(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
