import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Duration, RedisConnectionOptions } from '@nuthatch/redis';
import { startStandalone, type RedisServer } from '../../harness/index.js';
import { checkHistory } from '../check-history.js';
import type { Conditions, Outage, Window } from '../history/conditions.js';
import { machineTime } from '../history/events.js';
import type { History } from '../history/history.js';
import { readEvents, tellHistory } from '../history/tell-history.js';
import { countDoubleGrants } from '../rules/exclusion.js';
import type { Violation } from '../rules/violation.js';
import { SeededRandom } from '../seeded-random.js';
import { FencedResource } from '../worker/fenced-resource.js';
import type { Sabotage, WorkerSetup } from '../worker/worker-messages.js';
import { LockProcess } from './lock-process.js';

const LIVE_MS = 3_000;

export interface ContentionOptions {
  readonly seed: number;
  /** Of the worker of this number: a proxy of its own, for one. */
  readonly connectionOf: (worker: number) => RedisConnectionOptions;
  readonly workers?: number;
  readonly keys?: readonly string[];
  /** @default one second: a fault that has to last longer takes a second or two */
  readonly ttl?: Duration;
  readonly sabotage?: Sabotage;
}

export interface ContentionReport {
  readonly grants: number;
  readonly violations: readonly Violation[];
  /** Explained by a failover. */
  readonly doubleGrants: number;
  /** How often each fault was done. */
  readonly faults: Readonly<Record<string, number>>;
  readonly history: History;
  /** Where the histories are, when there is something to find in them. */
  readonly folder: string | undefined;
}

/** Processes that contend for a few locks, what is done to them, and the judgement of it. */
export class Contention {
  readonly random: SeededRandom;
  readonly outages: Outage[] = [];
  readonly losses: Window[] = [];
  readonly faults: Record<string, number> = {};
  readonly keys: readonly string[];
  readonly #options: ContentionOptions;
  readonly #processes: LockProcess[] = [];
  readonly #former: LockProcess[] = [];
  readonly #folder: string;
  readonly #guarded: RedisServer;
  #lives = 0;

  /** Returns once all contend. */
  static async start(options: ContentionOptions): Promise<Contention> {
    const [folder, guarded] = await Promise.all([mkdtemp(path.join(tmpdir(), 'lock-history-')), startStandalone()]);
    const contention = new Contention(options, folder, guarded);
    try {
      const { workers = 5 } = options;
      await Promise.all(Array.from({ length: workers }, (_, worker) => contention.#live(worker)));
      // None before all are there: one alone is granted hundreds while the others start.
      for (const process of contention.#processes) process.contend();
      return contention;
    } catch (error) {
      await contention.abandon();
      throw error;
    }
  }

  private constructor(options: ContentionOptions, folder: string, guarded: RedisServer) {
    this.#options = options;
    this.#folder = folder;
    this.#guarded = guarded;
    this.random = new SeededRandom(options.seed);
    this.keys = options.keys ?? ['hot', 'warm', 'mild', 'cold'];
  }

  /** The process that is this worker now. */
  worker(number: number): LockProcess {
    return this.#processes[number]!;
  }

  anyWorker(): number {
    return Math.floor(this.random.next() * this.#processes.length);
  }

  /** How many grants there were so far, about. */
  get grants(): number {
    return [...this.#former, ...this.#processes].reduce((sum, { grants }) => sum + grants, 0);
  }

  /** Lets them contend in peace until there were so many grants, or for so long. */
  async untilGrants(grants: number, withinMs: number): Promise<void> {
    const until = machineTime() + withinMs;
    while (this.grants < grants && machineTime() < until) await sleep(100);
  }

  count(fault: string): void {
    this.faults[fault] = (this.faults[fault] ?? 0) + 1;
  }

  /** While this lasts, the store cannot be relied on by one process, or by any. */
  async outage<T>(process: string | undefined, during: () => Promise<T>): Promise<T> {
    const from = machineTime();
    try {
      return await during();
    } finally {
      this.outages.push({ from, to: machineTime(), ...(process !== undefined && { process }) });
    }
  }

  /** Another process takes the place of one that has died. */
  async replace(worker: number): Promise<void> {
    this.#former.push(this.worker(worker));
    await this.#live(worker);
    this.worker(worker).contend();
  }

  /** Ends all, and judges what they have written. @param how they end: by themselves, or all at once by SIGKILL */
  async judge(how: 'finish' | 'kill' = 'finish'): Promise<ContentionReport> {
    const ends = await Promise.allSettled(this.#processes.map((process) => process[how]()));
    const failed = ends.flatMap((end) => (end.status === 'rejected' ? [String(end.reason)] : []));
    const at = machineTime();
    const resource = new FencedResource(this.#guarded.url);
    await resource.connect();
    const accepted = await resource.accepted(this.keys);
    resource.close();
    await this.#guarded.stop();
    const history = tellHistory(readEvents(this.#folder), accepted, LIVE_MS);
    const conditions = this.conditions();
    const violations = [
      ...checkHistory(history, conditions),
      ...failed.map((message) => ({ rule: 'process' as const, at, message })),
    ];
    if (violations.length === 0) await rm(this.#folder, { recursive: true, force: true });
    return {
      grants: history.holds.length,
      violations,
      doubleGrants: countDoubleGrants(history, conditions),
      faults: this.faults,
      history,
      folder: violations.length > 0 ? this.#folder : undefined,
    };
  }

  conditions(): Conditions {
    const { outages, losses } = this;
    return { liveMs: LIVE_MS, earlyMs: 100, slackMs: 500, beatMs: 1_000, recoveryMs: 3_000, outages, losses };
  }

  /** Ends all without a judgement. */
  async abandon(): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.kill()));
    await this.#guarded.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #live(worker: number): Promise<void> {
    const { seed, connectionOf, ttl = '1s', sabotage } = this.#options;
    const life = this.#lives++;
    const setup: WorkerSetup = {
      name: `w${worker}.${life}`,
      folder: this.#folder,
      seed: seed * 1_000 + life * 10,
      connection: {
        ...connectionOf(worker),
        commandTimeout: '400ms',
        connectTimeout: '500ms',
        breaker: { failures: 1_000, resetAfter: '1s' },
      } as RedisConnectionOptions,
      lock: { ttl, redisTimeout: '300ms' },
      keys: this.keys,
      tasks: 2 * this.keys.length,
      resourceUrl: this.#guarded.url,
      ...(sabotage && { sabotage }),
    };
    this.#processes[worker] = await LockProcess.start(setup);
  }
}

/** In one line. */
export function summarizeReport({ grants, doubleGrants, faults }: ContentionReport): string {
  const done = Object.entries(faults).map(([fault, count]) => `${fault} ${count}`);
  return `${grants} grants, ${doubleGrants} double by failover; ${done.join(', ')}`;
}

/** What a spec shows of a report that is not as it should be. */
export function describeReport({ violations, folder }: ContentionReport, seed: number): string {
  const lines = violations.slice(0, 10).map(({ rule, at, message }) => `  ${rule} at ${at.toFixed(2)}: ${message}`);
  return [`seed ${seed}: ${violations.length} violations, histories in ${folder}`, ...lines].join('\n');
}
