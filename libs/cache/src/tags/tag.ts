import { CacheKeyError } from '../cache.errors.js';

const CONTROL = /[\u0000-\u001f\u007f-\u009f]|\p{Surrogate}/u;
const MAX_BYTES = 256;

/** What is wrong with a tag, or undefined. */
export function tagProblem(tag: unknown): string | undefined {
  if (typeof tag !== 'string') return `of type ${tag === null ? 'null' : typeof tag}; give a string`;
  if (tag === '') return 'empty; give a string with at least one character';
  if (CONTROL.test(tag)) return `${JSON.stringify(tag.slice(0, 40))}, which has control characters; leave them out`;
  if (Buffer.byteLength(tag) > MAX_BYTES) return `longer than ${MAX_BYTES} bytes; use a hash of its long part`;
  return undefined;
}

/** @throws CacheKeyError that names the first tag that cannot be used. */
export function checkTags(tags: readonly string[]): readonly string[] {
  tags.forEach((tag, index) => {
    const problem = tagProblem(tag);
    if (problem !== undefined) throw new CacheKeyError(`Tag ${index + 1} is ${problem}.`);
  });
  return tags;
}
