import { escapeSegment, type KeySegment } from '@nuthatch/redis/internal';

/**
 * A glob over keys whose inserted parts mean only themselves, whoever typed them: ``keyPattern`project:${id}:*` ``. An
 * inserted part is a segment of a key or lies within one: a `*` or a `:` in it is escaped, as it is in keys.
 *
 * @throws RedisKeyError for an inserted part that cannot be a segment: an empty string, null, undefined.
 */
export function keyPattern({ raw }: TemplateStringsArray, ...parts: KeySegment[]): string {
  return String.raw({ raw }, ...parts.map(escapeSegment));
}
