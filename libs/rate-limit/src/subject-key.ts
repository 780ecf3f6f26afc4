import { createHash } from 'node:crypto';
import { escapeSegment } from '@nuthatch/redis/internal';
import { ipGroupOf, type IpPrefixes } from './ip/ip-networks.js';
import { RateLimitCallError } from './rate-limit.errors.js';

// Longer ones are hashed: a key is read by every call, and who chooses a subject must not choose how much that costs.
const LONGEST = 128;
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * The key of what is known of a subject. All policies of a subject are decided by one script, so it is the hash tag; of an
 * address, whose networks are decided together, the widest network is.
 *
 * @param root begins every key
 * @param prefixes the networks by which addresses are limited
 * @throws RateLimitCallError unless the subject is a string that is not empty
 */
export function subjectKey(root: string, subject: string, prefixes?: IpPrefixes): string {
  if (typeof subject !== 'string' || subject === '') {
    const shown = subject === '' ? 'empty' : `of type ${typeof subject}`;
    throw new RateLimitCallError(`The subject of a rate limit is ${shown}. Give who is limited, such as "user:42".`);
  }
  const group = prefixes && subject.startsWith('ip:') ? ipGroupOf(subject, prefixes) : undefined;
  if (group !== undefined && group !== subject)
    return `${root}{${escapeSegment(group, 0)}}${escapeSegment(subject, 0)}`;
  const usual = subject.length <= LONGEST && !LONE_SURROGATE.test(subject);
  return `${root}{${usual ? escapeSegment(subject, 0) : digestOf(subject)}}`;
}

/** No subject that is written out begins like it. Of UTF-16, as in UTF-8 all lone surrogates would be the same. */
function digestOf(subject: string): string {
  return `%sha256:${createHash('sha256').update(subject, 'utf16le').digest('base64url')}`;
}
