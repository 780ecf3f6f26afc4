import assert from 'node:assert/strict';
import type { Claim, Hold, LockState } from '../drivers/lock-driver.js';
import type { Scene } from './scene.js';
import { eventually, type TestProcess } from './test-process.js';

export interface Lock {
  readonly key: string;
  readonly permits: number;
}

interface Owned<T> {
  readonly process: TestProcess;
  readonly what: T;
}

/** What a call may change, beside the grants that it makes possible. */
interface Effects {
  /** Claims that are put at the end of the queue. */
  readonly arrives?: readonly Claim[];
  /** Claims that are granted if nobody waits, else refused. */
  readonly tries?: readonly Claim[];
  /** Ids that are neither held nor waited for any more. */
  readonly leaves?: readonly string[];
  /** Ids that learn of their grant by the reply. */
  readonly asked?: readonly string[];
}

const BEAT_EVERY_MS = 1_000;

/**
 * Random calls of several processes for several locks. After each, what the store lists is compared with what the call may have changed:
 * never more than the permits, tokens that increase, nobody passed in the queue, nobody waiting who fits, no hold ended by another.
 */
export class Trace {
  readonly #waiting = new Map<string, Owned<Claim>>();
  /** As their processes believe. */
  readonly #holds: Owned<Hold>[] = [];
  readonly #over: Owned<Hold>[] = [];
  readonly #weights = new Map<string, number>();
  readonly #owners = new Map<string, TestProcess>();
  readonly #lastTokens = new Map<string, bigint>();
  /** Grants that were not in the reply to their process. */
  readonly #told = new Map<string, bigint>();
  #beatenAt = performance.now();

  constructor(
    private readonly random: () => number,
    private readonly processes: readonly [TestProcess, ...TestProcess[]],
    private readonly locks: readonly [Lock, ...Lock[]],
    /** Not by a clock that nobody sets: between a call and a look at it nothing may expire. */
    private readonly elapse: Scene['elapse'] | undefined,
  ) {}

  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      if (performance.now() - this.#beatenAt > BEAT_EVERY_MS) await this.#beatAll();
      await this.#step(this.#pick(this.processes), this.#pick(this.locks));
    }
    for (const [id, token] of this.#told) {
      const said = await eventually(() => this.#owners.get(id)!.granted.get(id), `the grant of ${id} to be told`);
      assert.equal(said, token);
    }
    for (const process of this.processes)
      for (const id of process.granted.keys()) assert.equal(this.#owners.get(id), process, 'told to another process');
  }

  async #step(process: TestProcess, lock: Lock): Promise<void> {
    const kind = this.random();
    if (kind < 0.06) return this.#try(process, lock);
    if (kind < 0.12) return this.#tryBoth(process);
    if (kind < 0.5) return this.#queue(process, lock);
    if (kind < 0.56) return this.#beat(process, lock, this.random() < 0.3);
    if (kind < 0.6) return this.#leave(lock);
    if (kind < 0.64) return this.#renew();
    if (kind < 0.95) return this.#release();
    if (kind < 0.97) return this.#force(process, lock);
    if (!this.elapse) return this.#release();
    await this.elapse(Math.floor(this.random() * 400));
    return this.#beatAll();
  }

  async #try(process: TestProcess, lock: Lock): Promise<void> {
    const claim = this.#claim(process, lock);
    const answer = await this.#checked([lock], { tries: [claim], asked: [claim.id] }, () => process.try(claim));
    if (answer.state === 'granted') this.#holds.push({ process, what: { ...claim, token: answer.token } });
  }

  async #tryBoth(process: TestProcess): Promise<void> {
    const locks = [this.locks[0], this.locks.at(-1)!];
    const claims = locks.map((lock) => this.#claim(process, lock));
    const effects = { tries: claims, asked: claims.map(({ id }) => id) };
    const answer = await this.#checked(locks, effects, () => process.try(...claims));
    const granted = answer.state === 'granted' ? claims : [];
    for (const claim of claims) {
      const { holders } = await process.look(claim.key);
      const token = holders.find(({ id }) => id === claim.id)?.token;
      assert.equal(token, answer.state === 'granted' ? answer.token : undefined, 'both or none');
    }
    for (const claim of granted)
      this.#holds.push({ process, what: { ...claim, token: this.#lastTokens.get(claim.key)! } });
  }

  async #queue(process: TestProcess, lock: Lock): Promise<void> {
    const claim = this.#claim(process, lock);
    this.#waiting.set(claim.id, { process, what: claim });
    const effects = { arrives: [claim], asked: [claim.id] };
    const { state } = await this.#checked([lock], effects, () => process.queue(claim));
    assert.equal(state, this.#waiting.has(claim.id) ? 'waiting' : 'granted');
  }

  /** @param anew whether one that has lost its place is among those who wait */
  async #beat(process: TestProcess, lock: Lock, anew: boolean): Promise<void> {
    const lost = anew ? [this.#claim(process, lock)] : [];
    for (const claim of lost) this.#waiting.set(claim.id, { process, what: claim });
    const those = [...this.#waiting.values()].filter((each) => each.process === process && each.what.key === lock.key);
    if (those.length === 0) return;
    const claims = those.map(({ what }) => what);
    const effects = { arrives: lost, asked: claims.map(({ id }) => id) };
    const { tokens } = await this.#checked([lock], effects, () => process.beat(...claims));
    claims.forEach(({ id }, index) => assert.equal(tokens[index] === undefined, this.#waiting.has(id)));
  }

  async #beatAll(): Promise<void> {
    this.#beatenAt = performance.now();
    for (const process of this.processes) for (const lock of this.locks) await this.#beat(process, lock, false);
  }

  async #leave(lock: Lock): Promise<void> {
    const those = [...this.#waiting.values()].filter(({ what }) => what.key === lock.key);
    const owned = this.#pick(those);
    if (!owned) return;
    const { process, what: claim } = owned;
    await this.#checked([lock], { leaves: [claim.id] }, () => process.driver.leave(claim));
    this.#waiting.delete(claim.id);
  }

  async #renew(): Promise<void> {
    const owned = this.#someHold();
    if (!owned) return;
    const { process, what: hold } = owned;
    await this.#checked([this.#lockOf(hold.key)], {}, () => process.renew(hold));
  }

  async #release(): Promise<void> {
    const owned = this.#someHold();
    if (!owned) return;
    const { process, what: hold } = owned;
    const stood = (await process.holders(hold.key)).includes(hold.id);
    const outcome = await this.#checked([this.#lockOf(hold.key)], { leaves: [hold.id] }, () => process.release(hold));
    if (stood) assert.equal(outcome, 'released');
    this.#end(({ what }) => what.id === hold.id);
  }

  async #force(process: TestProcess, lock: Lock): Promise<void> {
    const leaves = await process.holders(lock.key);
    const count = await this.#checked([lock], { leaves }, () => process.driver.force(lock.key));
    assert.equal(count, leaves.length);
    this.#end(({ what }) => what.key === lock.key);
  }

  /** Makes a call, and compares what it has changed with what it may change. */
  async #checked<T>(locks: readonly Lock[], effects: Effects, call: () => Promise<T>): Promise<T> {
    const [observer] = this.processes;
    const before = await Promise.all(locks.map(({ key }) => observer.look(key)));
    const result = await call();
    for (const [index, lock] of locks.entries())
      await this.#check(lock, before[index]!, await observer.look(lock.key), effects);
    return result;
  }

  async #check({ key, permits }: Lock, before: LockState, after: LockState, effects: Effects): Promise<void> {
    const { arrives = [], tries = [], leaves = [], asked = [] } = effects;
    const of = (claims: readonly Claim[]): string[] => claims.filter((each) => each.key === key).map(({ id }) => id);
    const used = after.holders.reduce((sum, { weight }) => sum + weight, 0);
    assert.ok(used <= permits, `${used} of ${permits} permits are granted`);

    const standing = before.holders.map(({ id }) => id).filter((id) => !leaves.includes(id));
    const begun = after.holders.filter(({ id }) => !before.holders.some((holder) => holder.id === id));
    const ids = after.holders.map(({ id }) => id);
    for (const id of standing) assert.ok(ids.includes(id), 'a hold was ended by the call of another');
    for (const id of leaves) assert.ok(!ids.includes(id), 'a hold has outlived its end');

    const line = [...before.waiters.filter((id) => !leaves.includes(id)), ...of(arrives)];
    const [first] = after.waiters;
    assert.deepEqual(
      after.waiters,
      line.slice(line.length - after.waiters.length),
      'the order of arrival was not kept',
    );
    if (first !== undefined) assert.ok(used + this.#weights.get(first)! > permits, 'one waits who could be granted');
    const granted = [
      ...line.slice(0, line.length - after.waiters.length),
      ...of(tries).filter((id) => ids.includes(id)),
    ];
    begun.sort((one, other) => (one.token < other.token ? -1 : 1));
    assert.deepEqual(
      begun.map(({ id }) => id),
      granted,
      'others were granted than those who are next',
    );
    if (of(tries).some((id) => ids.includes(id))) assert.equal(first, undefined, 'one that waits was passed');

    for (const { id, token } of begun) {
      assert.ok(token > (this.#lastTokens.get(key) ?? 0n), 'a token does not increase');
      this.#lastTokens.set(key, token);
      const waiter = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (!asked.includes(id)) this.#told.set(id, token);
      if (!waiter) continue;
      const { process, what: claim } = waiter;
      this.#holds.push({ process, what: { key, id, token } });
      assert.equal((await process.renew({ key, id, token }, claim.ttlMs)).state, 'renewed');
    }
  }

  #claim(process: TestProcess, { key, permits }: Lock): Claim {
    const weight = this.random() < 0.7 ? 1 : permits;
    const ttlMs = this.elapse ? this.#pick([300, 2_000, 60_000]) : 60_000;
    const claim = process.claim(key, { permits, weight, ttlMs });
    this.#weights.set(claim.id, weight);
    this.#owners.set(claim.id, process);
    return claim;
  }

  /** Now and then one that is over. */
  #someHold(): Owned<Hold> | undefined {
    return this.random() < 0.85 ? this.#pick(this.#holds) : this.#pick(this.#over);
  }

  #end(ends: (owned: Owned<Hold>) => boolean): void {
    const over = this.#holds.filter(ends);
    this.#over.push(...over);
    for (const owned of over) this.#holds.splice(this.#holds.indexOf(owned), 1);
  }

  #lockOf(key: string): Lock {
    return this.locks.find((lock) => lock.key === key)!;
  }

  #pick<T>(from: readonly [T, ...T[]]): T;
  #pick<T>(from: readonly T[]): T | undefined;
  #pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.random() * from.length)];
  }
}
