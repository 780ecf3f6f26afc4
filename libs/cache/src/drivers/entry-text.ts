import type { StoredEntry, StoredValue, TagStamp } from './cache-driver.js';

/** What stands before the value of an entry. See docs/wire-format.md. */
export interface EntryHeader {
  /** Unlike that of any other write; empty for an entry that another program has written without one. */
  readonly version: string;
  /** When the value was stored, in milliseconds of the store's clock. */
  readonly writtenAt: number;
  /** How long it is fresh, in milliseconds. */
  readonly ttlMs: number;
  /** How much longer it may be served in place of an error, in milliseconds. */
  readonly graceMs: number;
  /** How long it took to load, in milliseconds; 0 when it was set. */
  readonly loadMs: number;
  /** The revision of the definition that wrote it, or ''. */
  readonly revision: string;
  /** How the body is written: the header fields of that, or ''. */
  readonly format: string;
  readonly tags: readonly string[];
  /** The state of the tags before the value came to be; without tags undefined. */
  readonly stamp: TagStamp | undefined;
}

const MARK = 'n1';
const LEASE = 'n1;lease=';
const NEWLINE = 10;
/** The longest header that is looked for; tags make the most of it. */
const MAX_HEADER = 1_048_576;
const FORMAT_FIELDS = new Set(['c', 'z', 'k']);

/** Begins the text of an entry with this version, and of no other; without a version, that of any that has none. */
export function versionPrefix(version: string): string {
  return version === '' ? `${MARK}\n` : `${MARK};v=${version};`;
}

export function leaseText(token: string): string {
  return `${LEASE}${token}\n`;
}

export function entryText({ header, body }: StoredValue): string | Buffer {
  const head = headerText(header);
  return typeof body === 'string' ? head + body : Buffer.concat([Buffer.from(head), body]);
}

export function readEntry(stored: string | Buffer | null): StoredEntry {
  if (stored === null) return { state: 'absent' };
  const end = typeof stored === 'string' ? stored.indexOf('\n') : stored.subarray(0, MAX_HEADER).indexOf(NEWLINE);
  if (end === -1) return { state: 'unreadable' };
  const head = typeof stored === 'string' ? stored.slice(0, end) : stored.toString('utf8', 0, end);
  if (head.startsWith(LEASE)) return { state: 'lease', token: head.slice(LEASE.length) };
  const header = readHeader(head);
  if (!header) return { state: 'unreadable' };
  const body = typeof stored === 'string' ? stored.slice(end + 1) : stored.subarray(end + 1);
  return { state: 'value', entry: { header, body } };
}

/** The header in the beginning of an entry; null when the beginning does not hold all of it. */
export function readHeaderStart(start: string): EntryHeader | undefined | null {
  const end = start.indexOf('\n');
  if (end === -1) return start.startsWith(MARK) ? null : undefined;
  return readHeader(start.slice(0, end));
}

function headerText(header: EntryHeader): string {
  let text = `${versionPrefix(header.version)}l=${header.ttlMs}`;
  if (header.graceMs > 0) text += `;g=${header.graceMs}`;
  if (header.loadMs > 0) text += `;d=${header.loadMs}`;
  if (header.revision !== '') text += `;y=${header.revision}`;
  if (header.format !== '') text += `;${header.format}`;
  if (header.stamp) text += `;s=${header.stamp.epoch}.${header.stamp.seq};t=${header.tags.map(escapeTag).join(',')}`;
  return `${text}\n`;
}

function readHeader(head: string): EntryHeader | undefined {
  if (head === MARK) return BARE;
  if (!head.startsWith(`${MARK};`)) return undefined;
  let version = '';
  let ttlMs = -1;
  let graceMs = 0;
  let loadMs = 0;
  let revision = '';
  let format = '';
  let tags: readonly string[] = NO_TAGS;
  let stamp: TagStamp | undefined;
  for (let at = MARK.length + 1; at < head.length;) {
    const semicolon = head.indexOf(';', at);
    const end = semicolon === -1 ? head.length : semicolon;
    const value = head.slice(at + 2, end);
    if (head[at + 1] !== '=') return undefined;
    const name = head[at]!;
    // Only in the first place: there the scripts look for it.
    if (name === 'v' && at === MARK.length + 1) version = value;
    else if (name === 'l') ttlMs = Number(value);
    else if (name === 'g') graceMs = Number(value);
    else if (name === 'd') loadMs = Number(value);
    else if (name === 'y') revision = value;
    else if (name === 't') tags = value.split(',').map(unescapeTag);
    else if (name === 's') stamp = readStamp(value);
    else if (FORMAT_FIELDS.has(name)) format += `${format === '' ? '' : ';'}${head.slice(at, end)}`;
    // A field of the future changes what the entry means, in a way that this program does not know.
    else return undefined;
    at = end + 1;
  }
  const writtenAt = Number.parseInt(version, 10);
  const consistent = (stamp === undefined) === (tags.length === 0);
  if (!(writtenAt >= 0) || !(ttlMs >= 0) || !(graceMs >= 0) || !(loadMs >= 0) || !consistent) return undefined;
  return { version, writtenAt, ttlMs, graceMs, loadMs, revision, format, tags, stamp };
}

const NO_TAGS: readonly string[] = [];

/** Written by another program, which gives it its time to live by EXPIRE only. */
const BARE: EntryHeader = {
  version: '',
  writtenAt: 0,
  ttlMs: Number.POSITIVE_INFINITY,
  graceMs: 0,
  loadMs: 0,
  revision: '',
  format: '',
  tags: NO_TAGS,
  stamp: undefined,
};

function readStamp(text: string): TagStamp | undefined {
  const dot = text.indexOf('.');
  const seq = Number(text.slice(dot + 1));
  return dot > 0 && Number.isSafeInteger(seq) ? { epoch: text.slice(0, dot), seq } : undefined;
}

function escapeTag(tag: string): string {
  return tag.replace(/[%,;]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function unescapeTag(text: string): string {
  return text.includes('%')
    ? text.replace(/%(25|2C|3B)/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
    : text;
}
