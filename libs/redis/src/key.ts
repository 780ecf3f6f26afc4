import { RedisKeyError } from './redis.errors.js';

export type KeySegment = string | number | bigint | boolean;

const MAX_BYTES = 1_024;
// The separator and the escape itself, what would choose a hash slot, what a glob pattern means, white space and controls.
const SPECIAL = /[%:{}*?[\]\\^\u0000-\u0020\u007f-\u009f]/g;
// By their codes, the ASCII characters that stand for themselves: 1.
const PLAIN = Uint8Array.from({ length: 128 }, (_, code) => (String.fromCharCode(code).search(SPECIAL) === -1 ? 1 : 0));
const COLON = 58;
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Joins segments to a Redis key, or a part of one, so that different segments always give different keys, whoever chose
 * them: special characters are written as `%` and two hex digits. In a text, the `:` separates the segments.
 *
 * @throws RedisKeyError for no segments, an empty or undefined one, or more than 1,024 bytes.
 */
export function joinKey(segments: readonly KeySegment[] | string): string {
  if (typeof segments === 'string') return isKey(segments) ? segments : joinKey(segments.split(':'));
  if (segments.length === 0) throw new RedisKeyError('A key has no segments. Give at least one.');
  // Not map(), which passes over the holes of a list.
  let key = escapeSegment(segments[0]!, 0);
  for (let index = 1; index < segments.length; index++) key += `:${escapeSegment(segments[index]!, index)}`;
  if (key.length > MAX_BYTES / 3 && Buffer.byteLength(key) > MAX_BYTES) {
    throw new RedisKeyError(
      `The key "${key.slice(0, 40)}..." has ${Buffer.byteLength(key)} bytes, more than ${MAX_BYTES}. Use a hash of its long part.`,
    );
  }
  return key;
}

/** Escapes one segment of a key; see {@link joinKey}. */
export function escapeSegment(segment: KeySegment, index: number): string {
  if (typeof segment === 'string') {
    if (segment === '') throw refusal(index, 'empty');
    if (isPlain(segment)) return segment;
    if (LONE_SURROGATE.test(segment)) throw refusal(index, 'not well-formed Unicode');
    return segment.replace(SPECIAL, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
  }
  if (typeof segment === 'number' && !Number.isFinite(segment)) throw refusal(index, String(segment));
  if (typeof segment === 'number' || typeof segment === 'bigint' || typeof segment === 'boolean')
    return String(segment);
  throw refusal(index, segment === null ? 'null' : typeof segment);
}

/** Whether a text is a key as it is: plain segments, not too long. Most are, and a look at each character is cheap. */
function isKey(text: string): boolean {
  let before = COLON;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === COLON ? before === COLON : PLAIN[code] !== 1) return false;
    before = code;
  }
  return before !== COLON && text.length <= MAX_BYTES;
}

function isPlain(segment: string): boolean {
  for (let index = 0; index < segment.length; index++) if (PLAIN[segment.charCodeAt(index)] !== 1) return false;
  return true;
}

/** Escapes what a glob pattern of Redis (`SCAN ... MATCH`, `PSUBSCRIBE`) would take for more than itself. */
export function escapeGlob(text: string): string {
  return text.replace(/[*?[\]\\^]/g, '\\$&');
}

function refusal(index: number, what: string): RedisKeyError {
  return new RedisKeyError(
    `Segment ${index + 1} of a key is ${what}. Give a string that is not empty, a number, a bigint or a boolean.`,
  );
}
