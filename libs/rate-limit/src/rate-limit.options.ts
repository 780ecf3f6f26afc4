import type { Duration } from '@nuthatch/redis';
import { OptionsReader } from '@nuthatch/redis/internal';
import { RateLimitOptionsError } from './rate-limit.errors.js';
import type { OutageMode, Policy } from './policies/policy.js';
import { ruleId } from './policies/rule-id.js';
import { CHECK_POLICY, resolvePolicy, type ResolvedPolicy } from './policies/resolve-policy.js';

export interface RateLimitModuleOptions {
  /** The name of the connection of RedisModule that holds the limits. @default 'default' */
  connection?: string;
  /** The limits by their names: `{ login: gcra({ limit: 5, per: '15m' }) }`. */
  policies: Readonly<Record<string, Policy>>;
  /**
   * What policies say while Redis cannot be asked, unless they say it themselves. `'local'`: each process decides for
   * itself, by its share of the limit: the limit divided by the number of processes that were last seen; `'open'`: yes;
   * `'closed'`: no.
   * @default 'local'
   */
  onOutage?: OutageMode;
  /** How long a call waits for Redis before that. @default '45ms' */
  redisTimeout?: Duration;
  /** Whether RateLimiter is visible in every module. @default true */
  isGlobal?: boolean;
}

export interface ResolvedRateLimitOptions {
  readonly connection: string;
  readonly policies: ReadonlyMap<string, ResolvedPolicy>;
  readonly onOutage: OutageMode;
  readonly redisTimeoutMs: number;
}

const NAME = /^[\w.-]{1,64}$/;
const NAME_RULE = 'letters, digits, ".", "_" and "-", at most 64';

/**
 * Checks the options and fills the defaults.
 *
 * @throws RateLimitOptionsError that lists every mistake at once.
 */
export function resolveRateLimitOptions(options: RateLimitModuleOptions): ResolvedRateLimitOptions {
  const mistakes: string[] = [];
  const reader = new OptionsReader(options, 'options', mistakes);
  reader.ignore('isGlobal');
  const onOutage = reader.oneOf('onOutage', ['local', 'open', 'closed'] as const, 'local') ?? 'local';
  const resolved = {
    connection: reader.matching('connection', NAME, NAME_RULE, 'default'),
    onOutage,
    redisTimeoutMs: reader.duration('redisTimeout', '45ms'),
    policies: readPolicies(reader, onOutage, mistakes),
  };
  reader.rejectUnknown();
  if (mistakes.length > 0) throw new RateLimitOptionsError(mistakes);
  return resolved;
}

function readPolicies(reader: OptionsReader, onOutage: OutageMode, mistakes: string[]): Map<string, ResolvedPolicy> {
  const policies = new Map<string, ResolvedPolicy>();
  const byId = new Map([[ruleId('gcra', CHECK_POLICY), 'RateLimiter.check()']]);
  for (const [name, raw] of reader.entries('policies', {})) {
    const policy = resolvePolicy(name, raw as Policy, `options.policies.${name}`, onOutage, mistakes);
    if (!policy) continue;
    const other = byId.get(policy.id);
    if (other !== undefined) {
      mistakes.push(`options.policies.${name} cannot be told from ${other} in Redis. Give one another name.`);
    }
    byId.set(policy.id, `options.policies.${name}`);
    policies.set(name, policy);
  }
  return policies;
}
