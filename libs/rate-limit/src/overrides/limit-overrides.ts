import { Logger } from '@nestjs/common';
import type { LimitNews } from '../news/limit-news.js';
import type { ResolvedPolicy } from '../policies/resolve-policy.js';
import { RateLimitCallError } from '../rate-limit.errors.js';
import { subjectKey } from '../subject-key.js';
import { LimitOverridesFullError } from './limit-overrides.errors.js';
import { LimitsInForce } from './limits-in-force.js';
import { encodeOverride, fieldOf, type LimitOverride } from './override-entry.js';
import type { OverrideStore } from './override-store.js';
import { readOverrides } from './read-overrides.js';
import { isDigest } from './subject-name.js';

const POLL_MS = 5_000;
const LONGEST_NOTE = 200;

export interface LimitOverridesParts<Policy = ResolvedPolicy> {
  readonly store: OverrideStore;
  readonly news: LimitNews;
  readonly policies: ReadonlyMap<string, Policy>;
  /** @throws RateLimitCallError for a limit that the policy cannot have */
  readonly withLimit: (policy: Policy, limit: number) => unknown;
  /** Called when other limits are in force in this process, with the policies of which. */
  readonly changed: (policies: readonly Policy[]) => void;
}

/** Whom an override is for, and why. */
export interface OverrideOptions {
  /** @default everybody who has no override of their own */
  readonly subject?: string;
  /** Who sets it, or why, for {@link LimitOverrides.list}; 200 characters at most. */
  readonly note?: string;
}

/**
 * Limits that apply instead of those of the options, in all processes within milliseconds, until they are taken away. While
 * Redis is away those that were known last apply.
 */
export class LimitOverrides<Policy = ResolvedPolicy> {
  readonly #logger = new Logger('RateLimit');
  #limits = new LimitsInForce([]);
  #any = false;
  #stored: ReadonlyMap<string, string> = new Map();
  #judgedBy = 0;
  #wrong: ReadonlyMap<string, string> = new Map();
  #timer: NodeJS.Timeout | undefined;
  #off: (() => void) | undefined;
  #reading: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(private readonly parts: LimitOverridesParts<Policy>) {}

  /** Resolves when the overrides are in force, or could not be read yet. */
  async start(): Promise<void> {
    const refresh = (): void => void this.#refresh();
    this.#off = this.parts.news.on({
      told: ({ kind }) => void (kind === 'overrides' && this.#refresh()),
      armed: refresh,
      gap: () => undefined,
    });
    // What no news have told: changes by hand, and those of a gap.
    this.#timer = setInterval(refresh, POLL_MS).unref();
    await this.#refresh();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#off?.();
  }

  /**
   * The limit of a policy for a subject; undefined: that of the options.
   *
   * @param times how many times the limit of everybody this subject has; one of its own is as it is
   */
  limitFor(policy: string, subject: string, times = 1): number | undefined {
    return this.#any ? this.#limits.limitFor(policy, subject, times) : undefined;
  }

  /**
   * Resolves when it is in force in this process.
   *
   * @throws RateLimitCallError for an unknown policy, an empty subject, or a limit that the policy cannot have;
   *   LimitOverridesFullError; RedisUnreachableError, RedisTimeoutError
   */
  async set(policy: string, limit: number, { subject, note }: OverrideOptions = {}): Promise<void> {
    this.parts.withLimit(this.#named(policy), limit);
    if (note !== undefined && (typeof note !== 'string' || note.length > LONGEST_NOTE)) {
      throw new RateLimitCallError(
        `The note of an override is no text of ${LONGEST_NOTE} characters at most. Shorten it.`,
      );
    }
    const stored = await this.parts.store.set(checkedField(policy, subject), encodeOverride(limit, note));
    if (!stored) throw new LimitOverridesFullError(policy, subject!);
    await this.#refresh();
  }

  /**
   * The limit of the options applies again; for a subject, that of everybody. Resolves when it does in this process.
   *
   * @param options.subject also as {@link list} shows it
   */
  async clear(policy: string, { subject }: Pick<OverrideOptions, 'subject'> = {}): Promise<void> {
    this.#named(policy);
    await this.parts.store.delete(checkedField(policy, subject));
    if (subject !== undefined && isDigest(subject)) await this.parts.store.delete(`${policy}:${subject}`);
    await this.#refresh();
  }

  /** Those that are in force in this process. */
  list(): readonly LimitOverride[] {
    return this.#limits.all;
  }

  #named(policy: string): Policy {
    const named = this.parts.policies.get(policy);
    if (named !== undefined) return named;
    const known = [...this.parts.policies.keys()].join(', ');
    throw new RateLimitCallError(
      `There is no policy ${JSON.stringify(String(policy).slice(0, 64))}. There are: ${known}.`,
    );
  }

  /** Resolves when what is stored by the time of the call is in force, or could not be read. */
  #refresh(): Promise<void> {
    this.#next ??= this.#reading.then(() => {
      this.#next = undefined;
      return (this.#reading = this.#read());
    });
    return this.#next;
  }

  async #read(): Promise<void> {
    try {
      const stored = await this.parts.store.read();
      // A policy that is declared later is judged later.
      if (!stored && this.#judgedBy === this.parts.policies.size) return;
      this.#apply(stored ?? this.#stored);
    } catch {
      // What was known last stays.
    }
  }

  #apply(stored: ReadonlyMap<string, string>): void {
    const { policies, withLimit, changed } = this.parts;
    const { overrides, wrong } = readOverrides(stored, (policy, limit) => {
      const named = policies.get(policy);
      if (named === undefined) return false;
      withLimit(named, limit);
      return true;
    });
    this.#stored = stored;
    this.#judgedBy = policies.size;
    this.#warnOf(wrong);
    const limits = new LimitsInForce(overrides);
    const names = limits.changesTo(this.#limits);
    this.#limits = limits;
    this.#any = overrides.length > 0;
    if (names.size > 0) changed([...names].map((name) => policies.get(name)!));
  }

  /** Once of each. */
  #warnOf(wrong: ReadonlyMap<string, string>): void {
    const fresh = [...wrong].filter(([field, why]) => this.#wrong.get(field) !== why);
    this.#wrong = wrong;
    if (fresh.length === 0) return;
    const shown = fresh.slice(0, 3).map(([field, why]) => `${JSON.stringify(field.slice(0, 100))} ${why}`);
    const more = fresh.length > shown.length ? ` And ${fresh.length - shown.length} more.` : '';
    this.#logger.warn(`Overrides of rate limits in Redis are ignored: ${shown.join(' ')}${more}`);
  }
}

/** @throws RateLimitCallError unless the subject is a string that is not empty */
function checkedField(policy: string, subject: string | undefined): string {
  if (subject !== undefined) subjectKey('', subject);
  return fieldOf(policy, subject);
}
