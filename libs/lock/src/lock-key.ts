import { createHash } from 'node:crypto';
import { escapeSegment } from '@nuthatch/redis/internal';
import { LockCallError } from './lock.errors.js';

// Longer ones are hashed: a key is read by every call, and who chooses a name must not choose how much that costs.
const LONGEST = 128;
const USUAL = /^[\w:./-]+$/;
const COLON = '%3A';
const LONE_SURROGATE = /\p{Surrogate}/u;
/** What Redis takes for the hash tag: up to the first `}` after the first `{`. */
const TAGGED = /^([^{]*)\{([^}]+)\}([^]*)$/;
/** What stands for itself in a key, so that the slot of the lock is that of every other key with this tag. */
const PLAIN_TAG = new RegExp(`^[^{%*?[\\]\\\\^\\u0000-\\u0020\\u007f-\\u009f\\p{Surrogate}]{1,${LONGEST}}$`, 'u');

/**
 * The key under which a lock is stored; different names always have different keys, whoever chose them. It is `{name}`, so
 * locks spread over the slots of a Cluster. A name with a hash tag of its own, such as `acct:{42}:a`, is in the slot of
 * its tag: `@acct:{42}:a`. A tag with white space, or with a character that means something in a pattern, is none.
 *
 * @param root begins every key of a kind of lock
 * @throws LockCallError unless the name is a string that is not empty
 */
export function lockKey(root: string, name: string): string {
  if (typeof name !== 'string' || name === '') {
    const shown = name === '' ? 'empty' : name === null ? 'null' : `of type ${typeof name}`;
    throw new LockCallError(`The key of a lock is ${shown}. Give the name of what it protects, such as "orders:42".`);
  }
  // A name as most are, of which nothing else needs to be escaped.
  if (name.length <= LONGEST && USUAL.test(name)) return `${root}{${name.replaceAll(':', COLON)}}`;
  const written = name.length <= LONGEST && !LONE_SURROGATE.test(name);
  const [, before = '', tag = '', after = ''] = TAGGED.exec(name) ?? [];
  if (!PLAIN_TAG.test(tag)) return `${root}{${written ? escapeSegment(name, 0) : digestOf(name)}}`;
  return written ? `${root}@${escapeText(before)}{${tag}}${escapeText(after)}` : `${root}@{${tag}}${digestOf(name)}`;
}

/** Colons stay: behind the `@` nothing else can stand that they could be mixed up with. */
function escapeText(text: string): string {
  return text
    .split(':')
    .map((segment) => segment && escapeSegment(segment, 0))
    .join(':');
}

/** No name that is written out holds it: there, two hex digits follow each `%`. Of UTF-16, as in UTF-8 all lone surrogates would be the same. */
function digestOf(name: string): string {
  return `%sha256:${createHash('sha256').update(name, 'utf16le').digest('base64url')}`;
}
