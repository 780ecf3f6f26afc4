import type { Duration } from '@nuthatch/redis';
import { OptionsReader } from '@nuthatch/redis/internal';
import type { HeaderOptions } from './http/rate-limit-headers.js';
import { resolveIpOptions, type IpOptions } from './ip/ip.options.js';
import type { IpPrefixes } from './ip/ip-networks.js';
import { RateLimitOptionsError } from './rate-limit.errors.js';
import type { OutageMode, Policy } from './policies/policy.js';
import { PolicyBook } from './policies/policy-book.js';

export interface RateLimitModuleOptions {
  /** The name of the connection of RedisModule that holds the limits. @default 'default' */
  connection?: string;
  /** The limits by their names: `{ login: gcra({ limit: 5, per: '15m' }) }`. @default none but those in decorators */
  policies?: Readonly<Record<string, Policy>>;
  /** The names of those that apply to every call that guards see, unless `@SkipRateLimit()` says otherwise. @default none */
  defaults?: readonly string[];
  /**
   * What responses say of the limits: `'draft'`: `RateLimit` and `RateLimit-Policy`, as the IETF drafts them; `'legacy'`:
   * `X-RateLimit-*`; `'both'`; or nothing but the `Retry-After` of a denial. @default 'draft'
   */
  headers?: HeaderOptions['style'];
  /** What keeps subjects from being guessed by the `pk` of the headers; the same in all processes. @default a random one per process */
  headerSecret?: string;
  /** By which networks policies limit that are by address. */
  ip?: IpOptions;
  /**
   * Finds the HTTP request in a context of GraphQL that has it under another name than `req`, `request`, `reply.request` or
   * `extra.request`.
   */
  requestOf?: (graphqlContext: unknown) => unknown;
  /** How many denied subjects a process remembers, so that it need not ask Redis again too early; `false`: none. @default 10000 */
  denyCache?: number | false;
  /** Whether processes note who uses the policies most, for `RateLimiter.top`. @default true */
  top?: boolean;
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
  readonly policies: PolicyBook;
  readonly headers: HeaderOptions['style'];
  readonly headerSecret: string | undefined;
  readonly ip: IpPrefixes;
  readonly requestOf: ((graphqlContext: unknown) => unknown) | undefined;
  /** 0: none. */
  readonly denyCache: number;
  readonly top: boolean;
  readonly onOutage: OutageMode;
  readonly redisTimeoutMs: number;
}

const NAME = /^[\w.-]{1,64}$/;
const NAME_RULE = 'letters, digits, ".", "_" and "-", at most 64';
const OUTAGE_MODES = ['local', 'open', 'closed'] as const;
const HEADER_STYLES = ['draft', 'legacy', 'both', false] as const;
const DENIED_KEPT = 10_000;

/**
 * Checks the options and fills the defaults.
 *
 * @throws RateLimitOptionsError that lists every mistake at once.
 */
export function resolveRateLimitOptions(options: RateLimitModuleOptions): ResolvedRateLimitOptions {
  const mistakes: string[] = [];
  const reader = new OptionsReader(options, 'options', mistakes);
  reader.ignore('isGlobal');
  reader.ignore('ip');
  reader.ignore('requestOf');
  const onOutage = reader.oneOf('onOutage', OUTAGE_MODES, 'local') ?? 'local';
  const { ip, denyCache, requestOf, policies } = typeof options === 'object' && options !== null ? options : {};
  const resolved = {
    connection: reader.matching('connection', NAME, NAME_RULE, 'default'),
    onOutage,
    redisTimeoutMs: reader.duration('redisTimeout', '45ms'),
    headers: reader.oneOf('headers', HEADER_STYLES, 'draft') ?? 'draft',
    headerSecret: reader.optionalText('headerSecret'),
    requestOf,
    ip: resolveIpOptions(ip, 'options.ip', mistakes),
    denyCache: denyCache === false ? 0 : reader.integer('denyCache', 1, DENIED_KEPT),
    top: reader.boolean('top', true),
    policies: readPolicies(reader, policies, onOutage, mistakes),
  };
  if (requestOf !== undefined && typeof requestOf !== 'function')
    mistakes.push('options.requestOf is no function. Give one.');
  if (denyCache === false) reader.ignore('denyCache');
  reader.rejectUnknown();
  if (mistakes.length > 0) throw new RateLimitOptionsError(mistakes);
  return resolved;
}

function readPolicies(
  reader: OptionsReader,
  raw: RateLimitModuleOptions['policies'],
  onOutage: OutageMode,
  mistakes: string[],
): PolicyBook {
  const book = new PolicyBook(onOutage);
  reader.ignore('policies');
  const isNone = raw === undefined || (typeof raw === 'object' && raw !== null && Object.keys(raw).length === 0);
  for (const [name, policy] of isNone ? [] : reader.entries('policies', {})) {
    book.add(name, policy as Policy, `options.policies.${name}`, mistakes);
  }
  const isName = (item: unknown): string | undefined => (typeof item === 'string' ? undefined : 'is no string');
  book.setDefaults(reader.list('defaults', isName), 'options.defaults', mistakes);
  return book;
}
