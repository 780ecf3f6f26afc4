import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { entryText, readEntry, type EntryHeader } from '../drivers/entry-text.js';
import { ownHeader, ownText } from './own-text.js';

const header: EntryHeader = {
  version: '1795286815860-ab12cd341f',
  writtenAt: 1_795_286_815_860,
  ttlMs: 1_000,
  graceMs: 2,
  loadMs: 3,
  revision: 'a revision that is long enough to be a slice',
  format: '',
  tags: ['a tag that is long enough to be a slice', 'é', 'b'],
  stamp: { epoch: 'e', seq: 1 },
};

describe('A text of its own', () => {
  it.each(['', 'a', 'user:profile:1000001', 'é€😀'.repeat(10)])('is the same text: %j', (text) => {
    expect(ownText(`before${text}`.slice(6))).toBe(text);
  });

  it('leaves a header as it was read', () => {
    const stored = readEntry(entryText({ header, body: '1' }));

    expect(stored.state === 'value' && ownHeader(stored.entry.header)).toEqual(header);
  });

  it('does not keep what it was cut from', () => {
    const kept: unknown[] = [];
    const before = heapBytes();
    for (let index = 0; index < 500; index++) {
      const stored = readEntry(entryText({ header, body: String(index).repeat(10_000) }));
      if (stored.state === 'value') kept.push(ownHeader(stored.entry.header));
    }

    expect(kept).toHaveLength(500);
    expect(heapBytes() - before).toBeLessThan(2_000_000);
  });
});

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}
