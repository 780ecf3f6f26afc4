import type { OptionsReader } from '@nuthatch/redis/internal';

const MOST_SHOWN = 40;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/**
 * Reads options that are lengths of time, in milliseconds. One that is wrong is noted, and is NaN, so that no second mistake is
 * found by comparing it.
 */
export class LengthsReader {
  readonly #raw: Readonly<Record<string, unknown>>;

  /** @param raw what `reader` reads */
  constructor(
    private readonly reader: OptionsReader,
    raw: unknown,
    private readonly path: string,
    private readonly mistakes: string[],
  ) {
    this.#raw = typeof raw === 'object' && raw !== null ? (raw as Record<string, unknown>) : {};
  }

  read(name: string, fallback: number, mostMs: number): number {
    const known = this.mistakes.length;
    return this.#checked(name, this.reader.optionalDuration(name, fallback), mostMs, known);
  }

  /** The same, with `'0ms'` for not at all. */
  readOrZero(name: string, fallback: number, mostMs: number): number {
    const known = this.mistakes.length;
    return this.#checked(name, this.reader.durationOrZero(name, fallback), mostMs, known);
  }

  /** As in `options.ttl is '2s'`. */
  shown(name: string, ms: number): string {
    return `${this.path}.${name} is ${this.written(name, ms)}`;
  }

  /** As its user has written it; what is not given, in milliseconds. */
  written(name: string, ms: number): string {
    const raw = this.#raw[name];
    return typeof raw === 'string' ? shownLength(raw) : `'${ms}ms'`;
  }

  #checked(name: string, ms: number, mostMs: number, known: number): number {
    if (this.mistakes.length > known) return Number.NaN;
    // What the module says was checked there, and may be no end at all.
    if (ms <= mostMs || this.#raw[name] === undefined) return ms;
    this.mistakes.push(tooLong(this.shown(name, ms), mostMs));
    return Number.NaN;
  }
}

/** A length of time as it was written. */
export function shownLength(text: string): string {
  return `'${text.trim().slice(0, MOST_SHOWN)}'`;
}

export function tooLong(shown: string, mostMs: number): string {
  const most = mostMs < DAY_MS ? `${mostMs / HOUR_MS}h` : `${mostMs / DAY_MS}d`;
  return `${shown}, and '${most}' is the most there is. Use that or less.`;
}
