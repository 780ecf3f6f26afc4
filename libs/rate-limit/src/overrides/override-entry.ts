import { subjectName } from './subject-name.js';

/** A limit that applies instead of the one of the options. */
export interface LimitOverride {
  readonly policy: string;
  /** Whom it is for; a long one is shown as `%sha256:` and its digest. Undefined: everybody who has none of their own. */
  readonly subject: string | undefined;
  readonly limit: number;
  /** Who has set it, or why, as they have said. */
  readonly note: string | undefined;
  /** When it was set, by the clock of the store. */
  readonly since: Date;
}

// What is longer has been written by somebody else.
const LONGEST_JSON = 2_048;
const VERSION = 1;

/** The field of an override. The name of a policy has no colon. */
export function fieldOf(policy: string, subject: string | undefined): string {
  return subject === undefined ? policy : `${policy}:${subjectName(subject)}`;
}

/** The value of an override, without its end, where the store writes since when it holds: `,"since":<milliseconds>}`. */
export function encodeOverride(limit: number, note: string | undefined): string {
  return JSON.stringify({ v: VERSION, limit, note }).slice(0, -1);
}

/** Reads an override as it is stored; undefined for what is none, as people may write there, too. */
export function parseOverride(field: string, json: string): LimitOverride | undefined {
  if (json.length > LONGEST_JSON) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { v, limit, note, since = 0 } = value as Record<string, unknown>;
  if (v !== VERSION || typeof limit !== 'number' || !isTime(since)) return undefined;
  const colon = field.indexOf(':');
  return {
    policy: colon === -1 ? field : field.slice(0, colon),
    subject: colon === -1 ? undefined : field.slice(colon + 1),
    limit,
    note: typeof note === 'string' ? note : undefined,
    since: new Date(since),
  };
}

function isTime(since: unknown): since is number {
  return typeof since === 'number' && !Number.isNaN(new Date(since).getTime());
}
