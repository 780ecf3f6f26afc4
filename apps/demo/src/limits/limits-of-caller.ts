import { isIPv4, isIPv6 } from 'node:net';
import { Injectable } from '@nestjs/common';
import { RateLimiter, type Policy, type PolicyState } from '@nuthatch/rate-limit';
import type { DemoUser } from '../login/demo-tokens.js';
import { LIMIT_NAMES, LIMITS } from './limits.js';

const BY_ADDRESS = LIMIT_NAMES.filter((name) => isBy(LIMITS[name], 'ip'));
const BY_USER = LIMIT_NAMES.filter((name) => isBy(LIMITS[name], 'user'));

/** What somebody has left of every limit. */
@Injectable()
export class LimitsOfCaller {
  readonly #limiter: RateLimiter;

  constructor(limiter: RateLimiter) {
    this.#limiter = limiter;
  }

  /** Looking takes nothing. */
  async list(address: string | undefined, user: DemoUser | undefined): Promise<PolicyState[]> {
    const decisions = await Promise.all([
      this.#limiter.peek(BY_ADDRESS, `ip:${networkOf(address ?? '')}`),
      ...(user ? [this.#limiter.peek(BY_USER, `user:${user.id}`)] : []),
    ]);
    return decisions.flatMap(({ policies }) => policies);
  }
}

function isBy({ by = 'ip' }: Policy, whom: 'ip' | 'user'): boolean {
  return typeof by === 'object' && 'each' in by ? by.each.includes(whom) : by === whom;
}

/** As guards call it: an IPv4 address, or the network of 64 bits that an IPv6 address is in. */
function networkOf(address: string): string {
  const bare = address.split('%', 1)[0]!;
  const v4 = bare.slice(bare.lastIndexOf(':') + 1);
  if (isIPv4(v4)) return v4;
  if (!isIPv6(bare)) return 'unknown';
  // The host of a URL is written in the one way that RFC 5952 has for it.
  const [begin, end = ''] = new URL(`http://[${bare}]`).hostname.slice(1, -1).split('::');
  const [first, last] = [groupsOf(begin), groupsOf(end)];
  const left = Array.from({ length: 8 - first.length - last.length }, () => '0');
  const network = [...first, ...left, ...last].slice(0, 4).join(':');
  return `${network.replace(/(^|:)0(:0)*$/, '')}::/64`;
}

function groupsOf(part = ''): string[] {
  return part === '' ? [] : part.split(':');
}
