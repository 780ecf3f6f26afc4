import { OptionsReader } from '@nuthatch/redis/internal';
import { KeyRing } from './key-ring.js';

/**
 * Values are encrypted with AES-256-GCM. An entry cannot be read under another key than its own, nor after any change,
 * and plain entries are no longer read. Who can write to Redis can still delete an entry or bring back an older value of
 * the same key; who can read sees the keys of the entries and how long the values are.
 */
export interface EncryptOptions {
  /**
   * Keys of 32 bytes by their ids, which stand beside the values in Redis: letters, digits, ".", "_" and "-", at most 32.
   * All of them read. To rotate, add the new key in every process, then name it in `use`, and remove the old one once
   * its last entry has expired. Rotate before a key has written four billion values.
   */
  keys: Record<string, Buffer>;
  /** The id of the key that writes. */
  use: string;
}

export type ResolvedEncrypt = KeyRing;

const KEY_ID = /^[\w.-]{1,32}$/;
const KEY_BYTES = 32;
const EXAMPLE = "{ keys: { '2026': key }, use: '2026' }";
const KEY_FIX = "Give 32 bytes as a Buffer: Buffer.from(text, 'base64') of what `openssl rand -base64 32` prints.";

/**
 * Reads the option `encrypt`. Notes what is wrong in `mistakes`, without a byte of a key; false when there is a mistake.
 */
export function readEncryptOption(raw: unknown, path: string, mistakes: string[]): ResolvedEncrypt | false {
  if (raw === undefined || raw === false) return false;
  if (Buffer.isBuffer(raw)) {
    mistakes.push(`${path} is a Buffer. Give ${EXAMPLE}.`);
    return false;
  }
  const found = mistakes.length;
  const reader = new OptionsReader(raw, path, mistakes);
  if (mistakes.length > found) return false;
  // Not read with the reader, which quotes wrong values.
  reader.ignore('keys');
  reader.ignore('use');
  reader.rejectUnknown();
  const { keys, use } = raw as { keys?: unknown; use?: unknown };
  const byId = readKeys(keys, `${path}.keys`, mistakes);
  if (typeof use !== 'string' || (byId.size > 0 && !byId.has(use))) {
    const ids = [...byId.keys()].map((id) => `'${id}'`).join(', ');
    mistakes.push(`${path}.use is ${shown(use)}. Give the id of one of the keys${ids === '' ? '' : `: ${ids}`}.`);
  }
  return mistakes.length > found ? false : new KeyRing(byId, use as string);
}

/** The keys with a good id, also those whose bytes are wrong. */
function readKeys(raw: unknown, path: string, mistakes: string[]): ReadonlyMap<string, Buffer> {
  const isRecord = typeof raw === 'object' && raw !== null && !Array.isArray(raw) && !Buffer.isBuffer(raw);
  const entries = isRecord ? Object.entries(raw as Record<string, unknown>) : [];
  if (entries.length === 0) {
    mistakes.push(`${path} is ${isRecord ? 'empty' : kindOf(raw)}. Give keys by their ids: ${EXAMPLE}.`);
  }
  const byId = new Map<string, Buffer>();
  for (const [id, key] of entries) {
    if (!KEY_ID.test(id)) {
      mistakes.push(`${path} has the id ${shown(id)}. Use letters, digits, ".", "_" and "-", at most 32.`);
      continue;
    }
    byId.set(id, key as Buffer);
    if (!Buffer.isBuffer(key)) mistakes.push(`${path}['${id}'] is ${kindOf(key)}. ${KEY_FIX}`);
    else if (key.length !== KEY_BYTES) mistakes.push(`${path}['${id}'] has ${key.length} bytes. ${KEY_FIX}`);
  }
  return byId;
}

/** A wrong id. A long one is not quoted: it may be a key that was put in its place. */
function shown(id: unknown): string {
  if (typeof id !== 'string' || id === '') return kindOf(id);
  return id.length <= 16 ? JSON.stringify(id) : `a text of ${id.length} characters`;
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (value === '') return 'empty';
  if (Buffer.isBuffer(value)) return 'a Buffer';
  return Array.isArray(value) ? 'a list' : `of type ${typeof value}`;
}
