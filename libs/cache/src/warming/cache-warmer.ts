import { Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import type { WarmExplorer } from './warm-explorer.js';
import { WarmReport, type WarmerReport } from './warm-report.js';
import { WarmRunner } from './warm-runner.js';
import type { Warmer, WarmTask } from './warm-task.js';
import { WarmTimer } from './warm-timer.js';
import type { WarmTurns } from './warm-turns.js';
import type { WarmOptions } from './warm.decorator.js';
import { WarmerDeclarationError } from './warming.errors.js';
import type { ResolvedWarming } from './warming.options.js';
import { WarmerRegistry } from './warmer-registry.js';

/**
 * Runs warmers, which fill the cache before anybody waits for it. They are methods with `@Warm()`, or functions that were
 * registered here. Of all instances of the application one at a time runs a warmer.
 */
export class CacheWarmer implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #registry = new WarmerRegistry();
  readonly #runner: WarmRunner;
  readonly #timers: WarmTimer[] = [];
  readonly #logger = new Logger(CacheWarmer.name);
  #phase: 'starting' | 'running' | 'stopping' = 'starting';

  constructor(
    turns: WarmTurns,
    private readonly options: ResolvedWarming,
    private readonly explorer: WarmExplorer,
  ) {
    this.#runner = new WarmRunner(turns, options.concurrency);
  }

  /**
   * Adds a warmer. One that is added after the application has started runs when asked, and every `every`.
   *
   * @throws WarmerDeclarationError for a name that is taken or cannot be used, or a wrong `every`
   */
  registerWarmer(name: string, task: WarmTask, { every }: Pick<WarmOptions, 'every'> = {}): void {
    const place = `registerWarmer(${JSON.stringify(name)})`;
    const mistakes: string[] = [];
    if (typeof task !== 'function') mistakes.push(`The task of ${place} is of type ${typeof task}. Give a function.`);
    else {
      const warmer = this.#registry.add({ name, every, task, place }, mistakes);
      if (warmer && this.#phase === 'running') this.#timerFor(warmer).startIn(warmer.everyMs);
    }
    if (mistakes.length > 0) throw new WarmerDeclarationError(mistakes);
  }

  names(): string[] {
    return this.#registry.all().map(({ name }) => name);
  }

  /**
   * Runs warmers now, also those that have run a short while ago, and waits for them. A warmer that fails does not stop
   * the others: it is in the report. One that runs already in this instance is joined, one that runs in another is skipped.
   *
   * @param names which; @default all
   * @throws UnknownWarmerError before anything has run
   */
  async warm(names: string | readonly string[] = this.names()): Promise<WarmReport> {
    const warmers = this.#registry.select(typeof names === 'string' ? [names] : names);
    return reportOn(warmers.map((warmer) => this.#runner.run(warmer, 'asked')));
  }

  /** @internal Every provider is there, and nobody has been told that the application starts. */
  onModuleInit(): void {
    const mistakes: string[] = [];
    for (const declaration of this.explorer.explore(mistakes)) this.#registry.add(declaration, mistakes);
    if (mistakes.length > 0) throw new WarmerDeclarationError(mistakes);
  }

  /** @internal */
  async onApplicationBootstrap(): Promise<void> {
    this.#phase = 'running';
    const boot = this.#boot();
    if (this.options.onBoot === 'wait') await boot;
  }

  /** @internal Before the connections close, so that leases are given back. */
  async beforeApplicationShutdown(): Promise<void> {
    this.#phase = 'stopping';
    for (const timer of this.#timers) timer.stop();
    await this.#runner.close();
  }

  async #boot(): Promise<void> {
    const warmers = this.#registry.all();
    if (warmers.length === 0) return;
    const timers = warmers.map((warmer) => ({ warmer, timer: this.#timerFor(warmer) }));
    if (this.options.onBoot === false) {
      for (const { warmer, timer } of timers) timer.startIn(warmer.everyMs);
      return;
    }
    this.#log(await reportOn(timers.map(({ timer }) => timer.runNow())), 'log');
  }

  #timerFor(warmer: Warmer): WarmTimer {
    const timer = new WarmTimer(
      () => this.#runner.run(warmer, 'due'),
      warmer.everyMs,
      // Which of the instances was the one is no news.
      (report) => report.outcome === 'skipped' || this.#log(new WarmReport([report], report.took), 'debug'),
    );
    this.#timers.push(timer);
    return timer;
  }

  #log(report: WarmReport, level: 'log' | 'debug'): void {
    // What a shutdown has stopped has not failed.
    const worrying = report.failed.length > 0 && this.#phase === 'running';
    this.#logger[worrying ? 'warn' : level](String(report));
  }
}

async function reportOn(runs: readonly Promise<WarmerReport>[]): Promise<WarmReport> {
  const startedAt = performance.now();
  const warmers = await Promise.all(runs);
  return new WarmReport(warmers, Math.round(performance.now() - startedAt));
}
