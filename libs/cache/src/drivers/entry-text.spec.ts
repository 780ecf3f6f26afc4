import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { tagProblem } from '../tags/tag.js';
import type { StoredValue } from './cache-driver.js';
import { entryText, leaseText, readEntry, readHeaderStart, versionPrefix, type EntryHeader } from './entry-text.js';

const plain: EntryHeader = {
  version: '1700000000000-deadbeef',
  writtenAt: 1_700_000_000_000,
  ttlMs: 300_000,
  graceMs: 0,
  loadMs: 0,
  revision: '',
  format: '',
  tags: [],
  stamp: undefined,
};

const tags = fc.uniqueArray(
  fc.string({ unit: 'grapheme', maxLength: 20 }).filter((tag) => tagProblem(tag) === undefined),
  { minLength: 1, maxLength: 5 },
);

const headers = fc
  .record({
    writtenAt: fc.nat(),
    nonce: fc.stringMatching(/^[0-9a-f]{8,12}$/),
    ttlMs: fc.nat(),
    graceMs: fc.nat(),
    loadMs: fc.nat(),
    revision: fc.stringMatching(/^[\w.-]{0,32}$/),
    format: fc.constantFrom('', 'z=br', 'c=mine', 'c=mine;z=gz;k=2026', 'k=a-1'),
    tagged: fc.option(fc.record({ tags, epoch: fc.stringMatching(/^[0-9a-f]{12}$/), seq: fc.nat() })),
  })
  .map(({ nonce, tagged, ...rest }): EntryHeader => ({
    ...rest,
    version: `${rest.writtenAt}-${nonce}`,
    tags: tagged?.tags ?? [],
    stamp: tagged ? { epoch: tagged.epoch, seq: tagged.seq } : undefined,
  }));

const bodies = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', '\n', 'n1\n', 'n1;lease=x\n', '\0'));

describe('The text of an entry', () => {
  it('says all that it was made of, whatever the header and the body', () => {
    fc.assert(
      fc.property(headers, bodies, (header, body) => {
        const text = entryText({ header, body });

        expect(readEntry(text)).toEqual({ state: 'value', entry: { header, body } });
        expect(readHeaderStart(text as string)).toEqual(header);
        expect((text as string).startsWith(versionPrefix(header.version))).toBe(true);
      }),
    );
  });

  it('does so as bytes, with a body of bytes or of text', () => {
    fc.assert(
      fc.property(headers, fc.uint8Array(), (header, bytes) => {
        const body = Buffer.from(bytes);

        expect(readEntry(entryText({ header, body }))).toEqual({ state: 'value', entry: { header, body } });
        const text = Buffer.from(entryText({ header, body: 'é' }) as string);
        expect(readEntry(text)).toEqual({ state: 'value', entry: { header, body: Buffer.from('é') } });
      }),
    );
  });

  it('has room for thousands of tags, read as text or as bytes', () => {
    const header = {
      ...plain,
      tags: Array.from({ length: 4_000 }, (_, index) => `tag ${index}`),
      stamp: { epoch: 'e', seq: 1 },
    };

    const text = entryText({ header, body: '1' }) as string;

    for (const stored of [text, Buffer.from(text)]) {
      const found = readEntry(stored);
      expect(found.state === 'value' && found.entry.header.tags).toEqual(header.tags);
    }
  });

  it('begins with a prefix of its version, and of no other', () => {
    const text = entryText({ header: plain, body: '1' }) as string;

    expect(text.startsWith(versionPrefix(plain.version))).toBe(true);
    expect(text.startsWith(versionPrefix(plain.version.slice(0, -1)))).toBe(false);
    expect(text.startsWith(versionPrefix(''))).toBe(false);
  });

  it('of what another program has written by hand is a value without a version, which Redis alone lets expire', () => {
    const found = readEntry('n1\n{"a":1}') as { entry: StoredValue };

    expect(found.entry.body).toBe('{"a":1}');
    expect(found.entry.header).toMatchObject({ version: '', ttlMs: Number.POSITIVE_INFINITY, tags: [] });
    expect('n1\n{"a":1}'.startsWith(versionPrefix(''))).toBe(true);
  });

  it('is a lease when it says so', () => {
    expect(readEntry(leaseText('me:1'))).toEqual({ state: 'lease', token: 'me:1' });
    expect(readEntry(Buffer.from(leaseText('me:1')))).toEqual({ state: 'lease', token: 'me:1' });
    expect(readHeaderStart(leaseText('me:1'))).toBeUndefined();
  });

  it('that is not there is absent', () => {
    expect(readEntry(null)).toEqual({ state: 'absent' });
  });
});

describe('A text that no program of this version has written', () => {
  const text = entryText({ header: plain, body: '1' }) as string;

  it.each([
    ['empty', ''],
    ['without a line', 'n1;v=1-a;l=1'],
    ['of another format', `n2${text.slice(2)}`],
    ['of a longer name', `n11${text.slice(2)}`],
    ['of another program', '{"a":1}\n'],
    ['with a field of the future', text.replace(';l=', ';q=1;l=')],
    ['with fields in another order', text.replace('l=300000', 'g=1;l=300000')],
    ['with a number of more digits than any has', text.replace('l=300000', `l=${'1'.repeat(17)}`)],
    ['with a field without a value', text.replace(';l=', ';l')],
    ['with a version that is no time', text.replace('v=17', 'v=x')],
    ['with a negative time to live', text.replace('l=300000', 'l=-1')],
    ['with a time to live that is no number', text.replace('l=300000', 'l=abc')],
    ['without a time to live', text.replace(';l=300000', '')],
    ['with a negative grace', text.replace('l=300000', 'l=1;g=-1')],
    ['with tags and no stamp', text.replace('l=300000', 'l=1;t=a')],
    ['with a stamp and no tags', text.replace('l=300000', 'l=1;s=e.1')],
    ['with a stamp that is no counter', text.replace('l=300000', 'l=1;s=e.x;t=a')],
    ['with a stamp without an epoch', text.replace('l=300000', 'l=1;s=.1;t=a')],
  ])('is unreadable: %s', (_, stored) => {
    expect(readEntry(stored)).toEqual({ state: 'unreadable' });
    expect(readEntry(Buffer.from(stored))).toEqual({ state: 'unreadable' });
  });

  it('never makes it throw, whatever is cut off, put in or changed', () => {
    const tagged = entryText({
      header: { ...plain, tags: ['a', 'b'], stamp: { epoch: 'e', seq: 7 } },
      body: '{}',
    }) as string;
    fc.assert(
      fc.property(fc.nat(tagged.length), fc.nat(tagged.length), fc.string({ unit: 'binary' }), (from, to, noise) => {
        const damaged = tagged.slice(0, from) + noise + tagged.slice(to);

        for (const stored of [damaged, Buffer.from(damaged)]) {
          expect(['value', 'lease', 'absent', 'unreadable']).toContain(readEntry(stored).state);
        }
        readHeaderStart(damaged);
      }),
    );
  });

  it('never makes it throw when it is bytes by chance', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, ours) => {
        const stored = Buffer.concat([Buffer.from(ours ? 'n1;' : ''), bytes]);

        expect(['value', 'lease', 'unreadable']).toContain(readEntry(stored).state);
      }),
    );
  });
});

describe('The beginning of an entry', () => {
  it('says that it is not all of the header', () => {
    const text = entryText({ header: { ...plain, revision: 'x'.repeat(300) }, body: '1' }) as string;

    expect(readHeaderStart(text.slice(0, 256))).toBeNull();
    expect(readHeaderStart(text)).toEqual({ ...plain, revision: 'x'.repeat(300) });
  });

  it('of something else is nothing', () => {
    expect(readHeaderStart('{"a":1}')).toBeUndefined();
    expect(readHeaderStart('')).toBeUndefined();
  });
});
