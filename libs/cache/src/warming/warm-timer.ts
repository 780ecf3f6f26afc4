import type { WarmerReport } from './warm-report.js';

// The longest delay of a timer of Node; a longer one fires at once.
const LONGEST_MS = 2 ** 31 - 1;

// How soon to look again for an instance that died, or for a Redis that was away.
const RETRY_MS = 10_000;

/** Runs a warmer whenever its time has come, until it is stopped. Keeps no process alive. */
export class WarmTimer {
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /**
   * @param run must not reject
   * @param everyMs undefined: one run is enough, whichever instance it was in
   * @param onReport is called after runs that this timer has begun
   */
  constructor(
    private readonly run: () => Promise<WarmerReport>,
    private readonly everyMs: number | undefined,
    private readonly onReport: (report: WarmerReport) => void,
  ) {}

  /** The first run is now, and its report goes to the caller. */
  async runNow(): Promise<WarmerReport> {
    const report = await this.run();
    this.startIn(nextDelay(report, this.everyMs));
    return report;
  }

  /** @param ms undefined: never */
  startIn(ms: number | undefined): void {
    if (ms === undefined || this.#stopped) return;
    const step = Math.min(ms, LONGEST_MS);
    this.#timer = setTimeout(() => (ms > step ? this.startIn(ms - step) : void this.#runAndReport()), step).unref();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #runAndReport(): Promise<void> {
    this.onReport(await this.runNow());
  }
}

/** Milliseconds until the next run; undefined: there is none. */
function nextDelay(report: WarmerReport, everyMs: number | undefined): number | undefined {
  if (report.outcome !== 'skipped') return everyMs;
  switch (report.reason) {
    case 'fresh':
      return everyMs === undefined ? undefined : report.freshFor;
    case 'running':
      return everyMs === undefined ? undefined : Math.min(everyMs, RETRY_MS);
    case 'redis-away':
      return Math.min(everyMs ?? RETRY_MS, RETRY_MS);
    case 'shutting-down':
      return undefined;
  }
}
