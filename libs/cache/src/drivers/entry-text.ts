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
const BARE_TEXT = `${MARK}\n`;
const LEASE = `${MARK};lease=`;
const NEWLINE = 10;
/** The longest header that is looked for; tags make the most of it. */
const MAX_HEADER = 1_048_576;
// Fields in the order in which they are written. One match is faster than any loop, and this is a part of every hit in Redis.
const HEADER = new RegExp(
  [
    // A field of the future changes what the entry means, in a way that this program does not know: then nothing matches.
    /^n1;v=((\d{1,15})[^;\n]*);l=(\d{1,16})/,
    /(?:;g=(\d{1,16}))?(?:;d=(\d{1,15}))?/,
    /(?:;y=([^;\n]*))?/,
    /(?:;([czk]=[^;\n]*(?:;[czk]=[^;\n]*)*))?/,
    /(?:;s=([^;\n.]+)\.(\d{1,15});t=([^;\n]*))?\n/,
  ]
    .map(({ source }) => source)
    .join(''),
);

/** Begins the text of an entry with this version, and of no other; without a version, that of any that has none. */
export function versionPrefix(version: string): string {
  return version === '' ? BARE_TEXT : `${MARK};v=${version};`;
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
  return typeof stored === 'string' ? readText(stored) : readBytes(stored);
}

function readText(text: string): StoredEntry {
  const fields = HEADER.exec(text);
  if (fields) return { state: 'value', entry: { header: headerOf(fields), body: text.slice(fields[0].length) } };
  if (text.startsWith(BARE_TEXT))
    return { state: 'value', entry: { header: BARE, body: text.slice(BARE_TEXT.length) } };
  const end = text.startsWith(LEASE) ? text.indexOf('\n') : -1;
  return end === -1 ? { state: 'unreadable' } : { state: 'lease', token: text.slice(LEASE.length, end) };
}

function readBytes(bytes: Buffer): StoredEntry {
  const end = bytes.subarray(0, MAX_HEADER).indexOf(NEWLINE);
  const read = readText(bytes.toString('utf8', 0, end + 1));
  return read.state === 'value' ? { state: 'value', entry: { ...read.entry, body: bytes.subarray(end + 1) } } : read;
}

/** The header in the beginning of an entry; null when the beginning does not hold all of it. */
export function readHeaderStart(start: string): EntryHeader | undefined | null {
  if (!start.includes('\n')) return start.startsWith(MARK) ? null : undefined;
  const read = readText(start);
  return read.state === 'value' ? read.entry.header : undefined;
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

function headerOf(fields: RegExpExecArray): EntryHeader {
  const tags = fields[10];
  return {
    version: fields[1]!,
    writtenAt: Number(fields[2]),
    ttlMs: Number(fields[3]),
    graceMs: numberIn(fields[4]),
    loadMs: numberIn(fields[5]),
    revision: fields[6] ?? '',
    format: fields[7] ?? '',
    tags: tags === undefined ? NO_TAGS : tags.split(',').map(unescapeTag),
    stamp: tags === undefined ? undefined : { epoch: fields[8]!, seq: Number(fields[9]) },
  };
}

function numberIn(field: string | undefined): number {
  return field === undefined ? 0 : Number(field);
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

function escapeTag(tag: string): string {
  return tag.replace(/[%,;]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function unescapeTag(text: string): string {
  return text.includes('%')
    ? text.replace(/%(25|2C|3B)/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
    : text;
}
