import type { SchemaIssue } from './standard-schema.js';

const SHOWN = 5;

/**
 * What a schema has against a value: `$.price: Expected number`. Some libraries quote the value in their messages; of
 * such an issue only the path is told.
 */
export function issuesText(value: unknown, issues: readonly SchemaIssue[]): string {
  const texts = issues.slice(0, SHOWN).map((issue) => issueText(value, issue));
  const more = issues.length - texts.length;
  return texts.join('; ') + (more > 0 ? `; and ${more} more` : '');
}

function issueText(value: unknown, { message, path = [] }: SchemaIssue): string {
  let part = value;
  let at = '$';
  for (const segment of path) {
    const key = typeof segment === 'object' ? segment.key : segment;
    at += typeof key === 'number' ? `[${key}]` : `.${String(key)}`;
    part = partAt(part, key);
  }
  return quotes(message, part) ? at : `${at}: ${message}`;
}

/** What the key leads to; all there is when it leads to nothing that can be looked at, so that nothing is overlooked. */
function partAt(whole: unknown, key: PropertyKey): unknown {
  if (typeof whole !== 'object' || whole === null || whole instanceof Set) return whole;
  if (whole instanceof Map) return whole.has(key) ? whole.get(key) : whole;
  return (whole as Record<PropertyKey, unknown>)[key];
}

/** Whether a text or a number in the value stands in the message as a word, or as several. */
function quotes(message: string, part: unknown): boolean {
  if (typeof part === 'string') {
    const text = part.trim();
    return text !== '' && (standsIn(message, text) || standsIn(message, JSON.stringify(text).slice(1, -1)));
  }
  if (typeof part === 'number' || typeof part === 'bigint') return standsIn(message, String(part));
  if (part instanceof Date) return Number.isFinite(part.getTime()) && standsIn(message, part.toISOString());
  if (part instanceof Map) return [...part].flat().some((item) => quotes(message, item));
  if (part instanceof Set) return [...part].some((item) => quotes(message, item));
  if (typeof part !== 'object' || part === null || ArrayBuffer.isView(part)) return false;
  return Object.values(part).some((item) => quotes(message, item));
}

function standsIn(message: string, text: string): boolean {
  for (let at = message.indexOf(text); at !== -1; at = message.indexOf(text, at + 1)) {
    if (!isWordAt(message, at - 1) && !isWordAt(message, at + text.length)) return true;
  }
  return false;
}

function isWordAt(message: string, index: number): boolean {
  return /[\p{L}\p{N}]/u.test(message.charAt(index));
}
