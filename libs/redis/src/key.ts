import { RedisKeyError } from './redis.errors.js';

export type KeySegment = string | number | bigint | boolean;

const MAX_BYTES = 1_024;
// The separator and the escape itself, what would choose a hash slot, what a glob pattern means, white space and controls.
const SPECIAL = /[%:{}*?[\]\\^\u0000-\u0020\u007f-\u009f]/g;
// What stands for itself, of ASCII; and with `:` between such parts.
const PLAIN = /^[^%:{}*?[\]\\^\u0000-\u0020\u007f-\uffff]+$/;
const KEY = /^[^%:{}*?[\]\\^\u0000-\u0020\u007f-\uffff]+(?::[^%:{}*?[\]\\^\u0000-\u0020\u007f-\uffff]+)*$/;
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Joins segments to a Redis key, or a part of one, so that different segments always give different keys, whoever chose
 * them: special characters are written as `%` and two hex digits. In a text, the `:` separates the segments.
 *
 * @throws RedisKeyError for no segments, an empty or undefined one, or more than 1,024 bytes.
 */
export function joinKey(segments: readonly KeySegment[] | string): string {
  if (typeof segments === 'string')
    return segments.length <= MAX_BYTES && KEY.test(segments) ? segments : joinKey(segments.split(':'));
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
    if (PLAIN.test(segment)) return segment;
    if (LONE_SURROGATE.test(segment)) throw refusal(index, 'not well-formed Unicode');
    return segment.replace(SPECIAL, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
  }
  if (typeof segment === 'number' && !Number.isFinite(segment)) throw refusal(index, String(segment));
  if (typeof segment === 'number' || typeof segment === 'bigint' || typeof segment === 'boolean')
    return String(segment);
  throw refusal(index, segment === null ? 'null' : typeof segment);
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
