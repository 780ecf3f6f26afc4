import { escapeGlob } from '@nuthatch/redis/internal';
import { CacheKeyError } from '../cache.errors.js';

export interface PatternOptions {
  /** Allows a glob that matches every key of the namespace. @default false */
  readonly all?: boolean;
  /** Stops between two pages of keys. */
  readonly signal?: AbortSignal;
  /** Called after each page with the number of keys removed so far. */
  readonly onProgress?: (removed: number) => void;
}

// In this order: what is meant literally, a class of characters, what is escaped already, and what else is escaped in keys.
const PARTS = /\\(.)|\[(?:\\.|[^\]\\])*\]?|%[0-9A-F]{2}|[%{}\]\\^\u0000-\u0020\u007f-\u009f]/gsu;
const ESCAPED_IN_KEYS = /^[%{}*?[\]\\^\u0000-\u0020\u007f-\u009f]$/;
const MAX_LENGTH = 1_024;

/**
 * The glob of Redis for a glob on the keys of a namespace.
 *
 * @param prefix begins the names of the namespace
 * @throws CacheKeyError
 */
export function cacheGlob(prefix: string, glob: string, all = false): string {
  if (typeof glob !== 'string' || glob === '' || glob.length > MAX_LENGTH) {
    const what = typeof glob === 'string' ? `has ${glob.length} characters` : `is of type ${typeof glob}`;
    throw new CacheKeyError(`A pattern ${what}. Give a glob such as 'user:*', of at most ${MAX_LENGTH} characters.`);
  }
  if (!all && /^[*?:]*$/.test(glob)) {
    throw new CacheKeyError(
      `The pattern "${glob}" matches every key of the namespace. Use clear(), or say { all: true } if that is meant.`,
    );
  }
  return escapeGlob(prefix) + glob.replace(PARTS, (part, literal?: string) => escapedInKeys(literal ?? part));
}

function escapedInKeys(char: string): string {
  if (!ESCAPED_IN_KEYS.test(char)) return char;
  return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}
