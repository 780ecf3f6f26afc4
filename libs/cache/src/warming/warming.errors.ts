import { NuthatchError } from '@nuthatch/redis';

/** Warmers are declared wrongly; `mistakes` lists every one of them. */
export class WarmerDeclarationError extends NuthatchError {
  constructor(readonly mistakes: readonly string[]) {
    super(
      'CACHE_WARMER_DECLARATION',
      `Cache warmers are declared wrongly:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`,
    );
  }
}

/** `warm()` was asked for warmers that are not there. */
export class UnknownWarmerError extends NuthatchError {
  constructor(
    readonly unknown: readonly string[],
    readonly known: readonly string[],
  ) {
    const names = known.length === 0 ? 'none' : known.map(quote).join(', ');
    super(
      'CACHE_UNKNOWN_WARMER',
      `There is no cache warmer ${unknown.map(quote).join(' or ')}. There are: ${names}. ` +
        `Declare it by @Warm({ name }) on a method of a provider, or by registerWarmer().`,
    );
  }
}

/** A warmer was told to stop before it was done. */
export class WarmingAbortedError extends NuthatchError {
  constructor(
    readonly warmer: string,
    readonly reason: 'lost-turn' | 'shutdown',
  ) {
    const why =
      reason === 'shutdown'
        ? 'the application is shutting down.'
        : 'its lease in Redis was not renewed in time, so another instance may be at it. Look whether Redis was away or this process hung.';
    super('CACHE_WARMING_ABORTED', `Cache warmer ${quote(warmer)} was stopped: ${why}`);
  }
}

function quote(name: string): string {
  return JSON.stringify(name.slice(0, 80));
}
