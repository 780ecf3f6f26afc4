import { RedisUnreachableError } from '@nuthatch/redis';
import {
  groupBySlot,
  slotOf,
  type CommandArgument,
  type RunOptions,
  type ServerConnection,
} from '@nuthatch/redis/internal';
import { DecideBatch } from './decide-batch.js';
import { operationMark } from './operation-mark.js';
import { Plans } from './plan.js';
import type { Charge, ConcurrencyRule, Decision, RateLimitDriver, Settlement } from './rate-limit-driver.js';
import { LimitScripts, type LimitScriptName } from './limit-scripts.js';
import { decideAcross } from './decide-across.js';
import { ReplyPlaces } from './reply-places.js';
import { settlementArgs } from './settlement-args.js';

// Longer than a run could come late whose reply was lost.
const KEPT_MS = 60_000;
const MOST_IN_BATCH = 100;
// A calendar may have to be told twice: where no reply has told the time of the store, and where a period has just ended.
const TELLINGS = 3;

/**
 * Limits in Redis: a string for each subject, and one script for all rules of a call. Calls of one turn of the event loop leave
 * as one script, which decides each by itself; on a Cluster those of one slot.
 */
export class RedisRateLimitDriver implements RateLimitDriver {
  readonly #scripts = new LimitScripts();
  readonly #plans = new Plans();
  /** What is to be charged, and what is only asked, by slot; on a single server all are in one. */
  #charges = new Map<number, DecideBatch>();
  #questions = new Map<number, DecideBatch>();
  /** By how much the clock of the store is ahead, in microseconds. */
  #aheadUs = 0;
  readonly #places = new ReplyPlaces();
  readonly #again: RunOptions;
  readonly #once: RunOptions;

  /**
   * @param timeoutMs how long a call waits for Redis
   * @param freed told of the states from which a charge was taken back that others may have been denied by
   */
  constructor(
    private readonly connection: ServerConnection,
    private readonly timeoutMs: number,
    private readonly freed: (keys: readonly string[]) => void = () => undefined,
  ) {
    this.#again = { timeoutMs, idempotent: true };
    this.#once = { timeoutMs };
  }

  decide(charges: readonly Charge[], operation: number): Promise<Decision> {
    const join = (part: readonly Charge[]): Promise<Decision> => this.#join(part, operation);
    if (!this.#isScattered(charges)) return join(charges);
    return decideAcross(charges, operation, join, (settlements) => this.#undo(settlements));
  }

  peek(charges: readonly Charge[]): Promise<Decision> {
    const join = (part: readonly Charge[]): Promise<Decision> => this.#join(part, undefined);
    return this.#isScattered(charges) ? decideAcross(charges, 0, join) : join(charges);
  }

  async settle(settlements: readonly Settlement[]): Promise<void> {
    const groups = this.#groups([...new Set(settlements.map(({ key }) => key))]);
    await Promise.all(groups.map((group) => this.#runOnce('settle', group, settlementArgs(group, settlements))));
  }

  async renew(key: string, { id, leaseUs }: ConcurrencyRule, operation: number): Promise<boolean> {
    return (await this.#run('renew', [key], [id, operationMark(operation), leaseUs])) === 1;
  }

  async reset(key: string, ids: readonly number[]): Promise<void> {
    await this.#run('reset', [key], ['reset', ...ids]);
  }

  async block(key: string, id: number, forUs: number): Promise<void> {
    await this.#run('reset', [key], [forUs, id]);
  }

  async #undo(settlements: readonly Settlement[]): Promise<void> {
    await this.settle(settlements);
    this.freed([...new Set(settlements.map(({ key }) => key))]);
  }

  get #clustered(): boolean {
    return this.connection.mode === 'cluster';
  }

  #groups(keys: readonly string[]): (readonly string[])[] {
    return this.#clustered ? groupBySlot(keys) : [keys];
  }

  /** Whether no single script can decide it. */
  #isScattered(charges: readonly Charge[]): boolean {
    return charges.length > 1 && this.#clustered && groupBySlot(charges.map(({ key }) => key)).length > 1;
  }

  /** All calls of a turn leave when it ends. @param operation undefined to charge nothing */
  #join(charges: readonly Charge[], operation: number | undefined): Promise<Decision> {
    const keys = charges.map(({ key }) => key);
    const plan = this.#plans.of(charges);
    const charged = operation !== undefined;
    const batches = charged ? this.#charges : this.#questions;
    const slot = this.#clustered ? slotOf(keys[0]!) : 0;
    if (this.#charges.size + this.#questions.size === 0) process.nextTick(this.#sendAll);
    let batch = batches.get(slot);
    if (batch && batch.size >= MOST_IN_BATCH) {
      void this.#perform(batch, charged);
      batch = undefined;
    }
    if (!batch) batches.set(slot, (batch = new DecideBatch()));
    return batch.add(keys, plan, plan.hasPlaces && charged ? operationMark(operation) : '');
  }

  readonly #sendAll = (): void => {
    const [charges, questions] = [this.#charges, this.#questions];
    this.#charges = new Map();
    if (questions.size > 0) this.#questions = new Map();
    for (const batch of charges.values()) void this.#perform(batch, true);
    for (const batch of questions.values()) void this.#perform(batch, false);
  };

  async #perform(batch: DecideBatch, charged: boolean): Promise<void> {
    try {
      for (let telling = 1; ; telling++) {
        const args = [charged ? 1 : 0, ...batch.args(hereUs() + this.#aheadUs)];
        const reply = (await (charged
          ? this.#runOnce('decide', batch.keys, args)
          : this.#run('decide', batch.keys, args))) as number[];
        this.#aheadUs = reply[0]! - hereUs();
        if (reply.length > 1) return batch.resolve(reply);
        if (telling === TELLINGS) throw new Error('The clock of Redis jumps.');
      }
    } catch (error) {
      batch.reject(error);
    }
  }

  /**
   * Asked again where the connection was lost: the store keeps the reply, so that nothing happens twice. Not on a Cluster, where
   * a slot that moves has no script for two keys: there a run whose reply is lost is not asked for again.
   */
  async #runOnce(name: LimitScriptName, keys: readonly string[], args: readonly CommandArgument[]): Promise<unknown> {
    const place = this.#clustered ? undefined : this.#places.take(keys[0]!);
    if (!place) return this.#send(name, keys, [0, 0, ...args], false);
    try {
      const reply = await this.#send(name, [place.key, ...keys], [KEPT_MS, place.run, ...args], true);
      this.#places.free(place);
      return reply;
    } catch (error) {
      // It may still come late, and must not find the reply of another run in its place.
      if (wasNeverSent(error)) this.#places.free(place);
      else setTimeout(() => this.#places.free(place), KEPT_MS).unref();
      throw error;
    }
  }

  /** What may happen twice. */
  #run(name: LimitScriptName, keys: readonly string[], args: readonly CommandArgument[]): Promise<unknown> {
    return this.#send(name, keys, [0, 0, ...args], true);
  }

  async #send(
    name: LimitScriptName,
    keys: readonly string[],
    args: readonly CommandArgument[],
    again: boolean,
  ): Promise<unknown> {
    const { timeoutMs } = this;
    const endsAt = performance.now() + timeoutMs;
    const script = this.#scripts.of(name);
    try {
      return await this.connection.run(script, keys, args, again ? this.#again : this.#once);
    } catch (error) {
      const left = Math.floor(endsAt - performance.now());
      const isLost = error instanceof RedisUnreachableError && error.outcome === 'unknown';
      if (!again || !isLost || left < 1) throw error;
      return this.connection.run(script, keys, args, { ...this.#again, timeoutMs: left });
    }
  }
}

function wasNeverSent(error: unknown): boolean {
  return (error as { outcome?: unknown }).outcome === 'not-executed';
}

function hereUs(): number {
  return Math.floor((performance.timeOrigin + performance.now()) * 1_000);
}
