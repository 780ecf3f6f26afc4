/**
 * Why a warmer did not run. `running`: this or another instance is at it. `fresh`: it has run within its `every`, which
 * counts when its time has come, not when `warm()` asks. `redis-away`: there is no shared cache to warm.
 */
export type WarmSkipReason = 'running' | 'fresh' | 'redis-away' | 'shutting-down';

/** What became of one warmer. */
export type WarmerReport = {
  readonly name: string;
  /** Milliseconds. */
  readonly took: number;
} & WarmOutcome;

export type WarmOutcome =
  | { readonly outcome: 'done'; /** What the warmer has returned. */ readonly entries?: number }
  | { readonly outcome: 'failed'; readonly error: Error }
  | { readonly outcome: 'skipped'; readonly reason: Exclude<WarmSkipReason, 'fresh'> }
  | { readonly outcome: 'skipped'; readonly reason: 'fresh'; /** Milliseconds. */ readonly freshFor: number };

const SKIPPED: Readonly<Record<WarmSkipReason, string>> = {
  running: 'is being warmed already',
  fresh: 'was warmed a short while ago',
  'redis-away': 'was skipped because Redis is away',
  'shutting-down': 'was skipped because the application is shutting down',
};

/** What `CacheWarmer.warm()` has done. As a string it is one line for the log. */
export class WarmReport {
  /** The names of those that have run to their end. */
  readonly done: readonly string[];
  readonly failed: readonly { readonly name: string; readonly error: Error }[];
  readonly skipped: readonly { readonly name: string; readonly reason: WarmSkipReason }[];

  constructor(
    /** Every warmer that was asked for, with its own time. */
    readonly warmers: readonly WarmerReport[],
    /** Milliseconds in all. */
    readonly took: number,
  ) {
    this.done = warmers.flatMap((each) => (each.outcome === 'done' ? [each.name] : []));
    this.failed = warmers.flatMap((each) =>
      each.outcome === 'failed' ? [{ name: each.name, error: each.error }] : [],
    );
    this.skipped = warmers.flatMap((each) =>
      each.outcome === 'skipped' ? [{ name: each.name, reason: each.reason }] : [],
    );
  }

  toString(): string {
    const sum = `Warmed ${this.done.length} of ${this.warmers.length} in ${this.took} ms`;
    return this.warmers.length === 0 ? sum : `${sum}: ${this.warmers.map(describe).join('; ')}`;
  }
}

function describe(report: WarmerReport): string {
  switch (report.outcome) {
    case 'done':
      return `${report.name} ${report.entries === undefined ? '' : `${report.entries} entries `}in ${report.took} ms`;
    case 'failed':
      // One line, whatever the error has to say.
      return `${report.name} failed: ${report.error.message.replaceAll(/\s+/g, ' ')}`;
    case 'skipped':
      return `${report.name} ${SKIPPED[report.reason]}`;
  }
}
