import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { parseBytes } from './byte-size.js';
import { parseDuration } from './duration.js';
import { parseRedisUrl, type RedisUrl } from './redis-url.js';

/**
 * Reads options that may be of any shape, notes every mistake and goes on, so that a boot error can list them all. What
 * could hold a secret (a URL, a password) is never quoted.
 */
export class OptionsReader {
  readonly #raw: Readonly<Record<string, unknown>>;
  readonly #known = new Set<string>();

  constructor(
    raw: unknown,
    private readonly path: string,
    private readonly mistakes: string[],
  ) {
    const isObject = typeof raw === 'object' && raw !== null && !Array.isArray(raw);
    if (!isObject) mistakes.push(`${path} is ${kindOf(raw)}. Give an object.`);
    this.#raw = isObject ? (raw as Record<string, unknown>) : {};
  }

  ignore(name: string): void {
    this.#known.add(name);
  }

  matching(name: string, pattern: RegExp, allowed: string, fallback: string): string {
    const value = this.#get(name) ?? fallback;
    if (typeof value === 'string' && pattern.test(value)) return value;
    this.#mistake(name, `is ${quote(value)}`, `Use ${allowed}.`);
    return fallback;
  }

  oneOf<T extends string | false>(name: string, allowed: readonly T[], fallback?: T): T | undefined {
    const value = this.#get(name) ?? fallback;
    if (allowed.includes(value as T)) return value as T;
    const names = allowed.map((item) => (item === false ? 'false' : `'${item}'`));
    this.#mistake(name, `is ${quote(value)}`, `Use one of ${names.join(', ')}.`);
    return undefined;
  }

  text(name: string, meaning: string): string | undefined {
    const value = this.#get(name);
    if (typeof value === 'string' && value !== '') return value;
    this.#mistake(name, `is ${kindOf(value)}`, `Give ${meaning}.`);
    return undefined;
  }

  optionalText(name: string): string | undefined {
    const value = this.#get(name);
    if (value === undefined || typeof value === 'string') return value || undefined;
    this.#mistake(name, `is ${kindOf(value)}`, 'Give a string.');
    return undefined;
  }

  integer(name: string, least: number, fallback: number): number {
    const value = this.#get(name) ?? fallback;
    if (Number.isSafeInteger(value) && (value as number) >= least) return value as number;
    this.#mistake(name, `is ${quote(value)}`, `Give a whole number of ${least} or more.`);
    return fallback;
  }

  duration(name: string, fallback: string): number {
    try {
      return parseDuration(this.#get(name) ?? fallback, `${this.path}.${name}`);
    } catch (error) {
      this.mistakes.push((error as Error).message);
      return parseDuration(fallback, name);
    }
  }

  /** Undefined when there is neither a value nor a fallback. */
  optionalDuration<F extends number | undefined>(name: string, fallback: F): number | F {
    const value = this.#get(name);
    if (value === undefined) return fallback;
    if (value !== null) return this.duration(name, '1ms');
    this.#mistake(name, 'is null', "Write a length of time with its unit, for example '15m', or leave it out.");
    return fallback;
  }

  /** The same, with `'0ms'` for not at all. */
  durationOrZero<F extends number | undefined>(name: string, fallback: F): number | F {
    const value = this.#get(name);
    return typeof value === 'string' && /^0(ms|s|m|h|d)$/.test(value.trim())
      ? 0
      : this.optionalDuration(name, fallback);
  }

  bytes(name: string, fallback: string): number {
    try {
      return parseBytes(this.#get(name) ?? fallback, `${this.path}.${name}`);
    } catch (error) {
      this.mistakes.push((error as Error).message);
      return parseBytes(fallback, name);
    }
  }

  fraction<F extends number | undefined>(name: string, fallback: F): number | F {
    const value = this.#get(name);
    if (value === undefined) return fallback;
    if (typeof value === 'number' && value >= 0 && value <= 1) return value;
    this.#mistake(name, `is ${quote(value)}`, 'Give a number from 0 to 1.');
    return fallback;
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.#get(name) ?? fallback;
    if (typeof value === 'boolean') return value;
    this.#mistake(name, `is ${quote(value)}`, 'Use true or false.');
    return fallback;
  }

  /** @param problem what is wrong with an item, or undefined */
  list(name: string, problem: (item: unknown) => string | undefined): string[] {
    const value = this.#get(name) ?? [];
    if (!Array.isArray(value)) {
      this.#mistake(name, `is ${kindOf(value)}`, 'Give a list.');
      return [];
    }
    value.forEach((item, index) => {
      const found = problem(item);
      if (found !== undefined) this.mistakes.push(`${this.path}.${name}[${index}] is ${found}.`);
    });
    return value as string[];
  }

  tls(name: string): TlsOptions | undefined {
    const value = this.#get(name);
    if (value === undefined || value === false) return undefined;
    if (value === true) return {};
    if (typeof value === 'object' && value !== null) return value as TlsOptions;
    this.#mistake(name, `is ${kindOf(value)}`, 'Give true, or an object with options of tls.connect().');
    return undefined;
  }

  addresses(name: string): { host: string; port: number }[] {
    const value = this.#get(name);
    if (!Array.isArray(value) || value.length === 0) {
      this.#mistake(
        name,
        `is ${Array.isArray(value) ? 'empty' : kindOf(value)}`,
        "Give a list such as [{ host: 'localhost', port: 6379 }].",
      );
      return [];
    }
    return value.map((item: unknown, index) => {
      const reader = new OptionsReader(item, `${this.path}.${name}[${index}]`, this.mistakes);
      const address = { host: reader.host(), port: reader.port('port') };
      reader.rejectUnknown();
      return address;
    });
  }

  host(): string {
    const value = this.#get('host');
    if (typeof value === 'string' && /^[^\s/@?#]+$/.test(value)) return value;
    // Not quoted: people put whole URLs here, with a password.
    this.#mistake(
      'host',
      typeof value === 'string' && value !== '' ? 'is no host' : `is ${kindOf(value)}`,
      'Give a host name or an IP address.',
    );
    return '';
  }

  port(name: string): number {
    const value = this.#get(name);
    if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535) return value as number;
    this.#mistake(name, `is ${quote(value)}`, 'Give a port from 1 to 65535, as a number.');
    return 0;
  }

  url(name: string): RedisUrl | undefined {
    const parsed = parseRedisUrl(this.#get(name));
    if (parsed) return parsed;
    // The value itself may hold a password, and a URL that cannot be parsed cannot be cleaned either.
    this.#mistake(
      name,
      'is not a Redis URL',
      'Write redis://host:6379, rediss://host:6379 for TLS, or unix:///path/to/socket.',
    );
    return undefined;
  }

  nested(name: string): OptionsReader {
    return new OptionsReader(this.#get(name) ?? {}, `${this.path}.${name}`, this.mistakes);
  }

  entries(name: string, fallback: Readonly<Record<string, unknown>>): [string, unknown][] {
    const value = this.#get(name) ?? fallback;
    const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
    if (entries.length === 0)
      this.#mistake(name, `is ${kindOf(value)} without entries`, 'Give at least one entry by name.');
    for (const [key] of entries) {
      if (!/^[\w.-]{1,64}$/.test(key))
        this.#mistake(name, `has the name ${quote(key)}`, 'Use letters, digits, ".", "_" and "-".');
    }
    return entries;
  }

  rejectUnknown(): void {
    for (const name of Object.keys(this.#raw)) {
      if (this.#known.has(name) || this.#raw[name] === undefined) continue;
      this.#mistake(name, 'is not an option', `Known here: ${[...this.#known].join(', ')}.`);
    }
  }

  #get(name: string): unknown {
    this.#known.add(name);
    return this.#raw[name];
  }

  #mistake(name: string, problem: string, fix: string): void {
    this.mistakes.push(`${this.path}.${name} ${problem}. ${fix}`);
  }
}

function quote(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60));
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : kindOf(value);
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (value === '') return 'empty';
  return Array.isArray(value) ? 'a list' : `of type ${typeof value}`;
}
