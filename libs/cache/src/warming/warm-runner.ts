import { AsyncLocalStorage } from 'node:async_hooks';
import { RedisTimeoutError, RedisUnreachableError } from '@nuthatch/redis';
import { abortableWork } from './abortable-work.js';
import { Slots } from './slots.js';
import type { WarmerReport, WarmOutcome } from './warm-report.js';
import type { Warmer } from './warm-task.js';
import type { WarmMode, WarmTurn, WarmTurns } from './warm-turns.js';
import { WarmingAbortedError } from './warming.errors.js';

// How long a task may take to heed its signal.
const PATIENCE_MS = 2_000;

/** Runs warmers, each at most once at a time, and no more of them than there are slots. */
export class WarmRunner {
  readonly #slots: Slots;
  readonly #runs = new Map<string, Promise<WarmerReport>>();
  readonly #stops = new Set<() => void>();
  /** Set while a task runs: what it calls must not wait for its own slot, nor for itself. */
  readonly #inTask = new AsyncLocalStorage<true>();
  #closed = false;

  constructor(
    private readonly turns: WarmTurns,
    concurrency: number,
  ) {
    this.#slots = new Slots(concurrency);
  }

  /** Runs it, or joins the run that is under way. Never rejects. */
  async run(warmer: Warmer, mode: WarmMode): Promise<WarmerReport> {
    const nested = this.#inTask.getStore() !== undefined;
    const current = this.#runs.get(warmer.name);
    if (current && nested) return { name: warmer.name, took: 0, outcome: 'skipped', reason: 'running' };
    if (current) {
      const report = await current;
      const notForUs = mode === 'asked' && report.outcome === 'skipped' && report.reason === 'fresh';
      return notForUs ? this.run(warmer, mode) : report;
    }
    const run = nested ? this.#timed(warmer, mode) : this.#slots.use(() => this.#timed(warmer, mode));
    this.#runs.set(warmer.name, run);
    try {
      return await run;
    } finally {
      this.#runs.delete(warmer.name);
    }
  }

  /** Aborts what runs, and waits for it to end: two seconds at most. From now on nothing is run. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const stop of this.#stops) stop();
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, PATIENCE_MS)));
    await Promise.race([Promise.all(this.#runs.values()), patience]);
    clearTimeout(timer);
  }

  async #timed(warmer: Warmer, mode: WarmMode): Promise<WarmerReport> {
    const startedAt = performance.now();
    const outcome = await this.#inTurn(warmer, mode);
    return { name: warmer.name, took: Math.round(performance.now() - startedAt), ...outcome };
  }

  async #inTurn(warmer: Warmer, mode: WarmMode): Promise<WarmOutcome> {
    if (this.#closed) return { outcome: 'skipped', reason: 'shutting-down' };
    try {
      const reply = await this.turns.take(warmer.name, mode);
      if (reply.state === 'running') return { outcome: 'skipped', reason: 'running' };
      if (reply.state === 'fresh') return { outcome: 'skipped', reason: 'fresh', freshFor: reply.forMs };
      const outcome = await this.#work(warmer, reply.turn);
      await reply.turn.end(outcome.outcome === 'done' ? (warmer.everyMs ?? 0) : 0);
      return outcome;
    } catch (error) {
      const away = error instanceof RedisUnreachableError || error instanceof RedisTimeoutError;
      return away ? { outcome: 'skipped', reason: 'redis-away' } : { outcome: 'failed', error: asError(error) };
    }
  }

  /** Never rejects: what a task throws may be an error of Redis, too, and says nothing about the turn. */
  async #work(warmer: Warmer, turn: WarmTurn): Promise<WarmOutcome> {
    // The shutdown may have begun while the turn was asked for.
    if (this.#closed) return { outcome: 'skipped', reason: 'shutting-down' };
    const controller = new AbortController();
    const abort = (reason: WarmingAbortedError['reason']) => () =>
      controller.abort(new WarmingAbortedError(warmer.name, reason));
    const stop = abort('shutdown');
    this.#stops.add(stop);
    turn.onLost(abort('lost-turn'));
    try {
      const work = this.#inTask.run(true, async () => warmer.task({ signal: controller.signal }));
      const entries = await abortableWork(work, controller.signal, PATIENCE_MS);
      return { outcome: 'done', ...(typeof entries === 'number' && { entries }) };
    } catch (error) {
      return { outcome: 'failed', error: asError(error) };
    } finally {
      this.#stops.delete(stop);
    }
  }
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(`It threw ${String(thrown)}.`, { cause: thrown });
}
