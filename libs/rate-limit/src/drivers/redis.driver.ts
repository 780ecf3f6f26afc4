import { readFileSync } from 'node:fs';
import { RedisUnreachableError } from '@nuthatch/redis';
import { RedisScript, type CommandArgument, type ServerConnection } from '@nuthatch/redis/internal';
import type { Charge, Decision, RateLimitDriver, Rule, Verdict } from './rate-limit-driver.js';

// As long as a call could be made again whose reply was lost.
const RETRY_WINDOW_MS = 1_000;
const HEAD = 2;
const PER_RULE = 4;

const DECIDE = new URL('./decide.lua', import.meta.url);
const RESET = new URL('./reset.lua', import.meta.url);

/** Limits in Redis: a string for each subject, and one script for all rules of a call. */
export class RedisRateLimitDriver implements RateLimitDriver {
  readonly #decideSource = readFileSync(DECIDE, 'utf8');
  /** By the number of subjects. */
  readonly #decides = new Map<number, RedisScript>();
  readonly #ruleArgs = new WeakMap<readonly Rule[], readonly string[]>();
  readonly #reset = RedisScript.load(RESET, { keys: 1 });

  /** @param timeoutMs how long a call waits for Redis */
  constructor(
    private readonly connection: ServerConnection,
    private readonly timeoutMs: number,
  ) {}

  decide(charges: readonly Charge[], operation: number): Promise<Decision> {
    return this.#run(charges, operation);
  }

  peek(charges: readonly Charge[]): Promise<Decision> {
    return this.#run(charges, 0);
  }

  async reset(key: string, ids: readonly number[]): Promise<void> {
    await this.connection.run(this.#reset, [key], ['reset', ...ids], { timeoutMs: this.timeoutMs, idempotent: true });
  }

  async block(key: string, id: number, forUs: number): Promise<void> {
    await this.connection.run(this.#reset, [key], [forUs, id], { timeoutMs: this.timeoutMs, idempotent: true });
  }

  async #run(charges: readonly Charge[], operation: number): Promise<Decision> {
    const script = this.#decideFor(charges.length);
    const keys = charges.map(({ key }) => key);
    const args: CommandArgument[] = [operation, RETRY_WINDOW_MS];
    for (const { rules } of charges) args.push(...this.#argsOf(rules));
    return readDecision(await this.#send(script, keys, args));
  }

  /** Asked again where the connection was lost: the script knows by the operation whether it was charged. */
  async #send(script: RedisScript, keys: string[], args: readonly CommandArgument[]): Promise<readonly number[]> {
    const endsAt = performance.now() + this.timeoutMs;
    const options = { timeoutMs: this.timeoutMs, idempotent: true };
    try {
      return (await this.connection.run(script, keys, args, options)) as number[];
    } catch (error) {
      const left = Math.floor(endsAt - performance.now());
      if (!(error instanceof RedisUnreachableError) || error.outcome !== 'unknown' || left < 1) throw error;
      return (await this.connection.run(script, keys, args, { ...options, timeoutMs: left })) as number[];
    }
  }

  /** Most calls come with rules that have come before. */
  #argsOf(rules: readonly Rule[]): readonly string[] {
    let args = this.#ruleArgs.get(rules);
    if (!args) {
      args = [rules.length, ...rules.flatMap(argsOf)].map(String);
      this.#ruleArgs.set(rules, args);
    }
    return args;
  }

  #decideFor(subjects: number): RedisScript {
    let script = this.#decides.get(subjects);
    if (!script) this.#decides.set(subjects, (script = new RedisScript('decide', this.#decideSource, subjects)));
    return script;
  }
}

function argsOf(rule: Rule): readonly number[] {
  const { id, cost } = rule;
  const shadow = rule.shadow ? 1 : 0;
  switch (rule.kind) {
    case 'gcra':
      return [id, 1, cost, shadow, rule.emissionUs, rule.burst, 0];
    case 'fixedWindow':
      return [id, 2, cost, shadow, rule.limit, rule.perUs, 0];
    case 'slidingWindow':
      return [id, 3, cost, shadow, rule.limit, rule.bucketUs, rule.buckets];
    case 'slidingLog':
      return [id, 4, cost, shadow, rule.limit, rule.perUs, 0];
  }
}

function readDecision(reply: readonly number[]): Decision {
  const verdicts: Verdict[] = [];
  for (let at = HEAD; at < reply.length; at += PER_RULE) {
    verdicts.push({
      ok: reply[at] === 1,
      remaining: reply[at + 1]!,
      retryUs: reply[at + 2]!,
      resetUs: reply[at + 3]!,
    });
  }
  return { allowed: reply[0] === 1, nowUs: reply[1]!, verdicts };
}
