import type { OptionsReader } from '@nuthatch/redis/internal';
import type { PolicyOptions } from './policy.js';

type AnyBy = NonNullable<PolicyOptions['by']>;

// RFC 9110, section 5.6.2.
const HEADER = /^header:[!#$%&'*+.^_`|~\dA-Za-z-]{1,128}$/;
const MOST = 8;

/** Whom a policy limits, once it is clear that it can be found out. */
export function resolveBy(reader: OptionsReader, raw: unknown, path: string, mistakes: string[]): AnyBy {
  reader.ignore('by');
  if (raw === undefined) return 'ip';
  const ok = isEach(raw) ? isListOf(raw.each, (item) => isTogether(item)) : isTogether(raw);
  if (!ok) {
    mistakes.push(
      `${path}.by is wrong. Give 'user', 'ip', 'endpoint', 'header:<name>', a function, a list of these for one subject made ` +
        `of all, or { each: [...] } for several subjects; ${MOST} at most.`,
    );
  }
  return raw as AnyBy;
}

function isEach(raw: unknown): raw is { each: unknown } {
  return typeof raw === 'object' && raw !== null && !Array.isArray(raw) && Object.keys(raw).join() === 'each';
}

function isTogether(raw: unknown): boolean {
  return Array.isArray(raw) ? isListOf(raw, isOne) : isOne(raw);
}

function isListOf(raw: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(raw) && raw.length > 0 && raw.length <= MOST && raw.every((item) => isItem(item));
}

function isOne(raw: unknown): boolean {
  return raw === 'user' || raw === 'ip' || raw === 'endpoint' || typeof raw === 'function' || HEADER.test(String(raw));
}
