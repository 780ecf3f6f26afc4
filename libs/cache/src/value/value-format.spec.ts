import { deepStrictEqual } from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { CodecError, jsonCodec, type Codec } from '@nuthatch/redis';
import fc from 'fast-check';
import { CacheOptionsError, CacheValueError } from '../cache.errors.js';
import type { CompressionName } from './compression/compression.js';
import { compressionNamed, hasCompression } from './compression/compressor.js';
import { KeyRing } from './key-ring.js';
import { UnreadableValueError } from './unreadable-value.error.js';
import { ValueFormat, type ValueFormatOptions, type WrittenValue } from './value-format.js';

const KEY = 'app:cache:default:user:1';
const KB = 1_024;
const MB = KB * KB;

/** A codec of which other errors than CodecError come. */
const quotedCodec: Codec = {
  name: 'quoted',
  encode: (value) => JSON.stringify(jsonCodec.encode(value)),
  decode: (text) => jsonCodec.decode(JSON.parse(text) as string),
};

const compressions = (['brotli', 'gzip', 'zstd'] as const).filter(hasCompression);
const ring = (use = '2026', ids = ['2025', '2026']): KeyRing =>
  new KeyRing(new Map(ids.map((id, index) => [id, Buffer.alloc(32, index + 1)])), use);

const formatOf = (options: Partial<ValueFormatOptions> = {}): ValueFormat =>
  new ValueFormat({ codec: jsonCodec, compress: false, encrypt: false, maxValueBytes: 16 * MB, ...options });
const compressing = (name: CompressionName, aboveBytes = 1, rest: Partial<ValueFormatOptions> = {}): ValueFormat =>
  formatOf({ compress: { aboveBytes, with: name }, ...rest });
const encrypting = (rest: Partial<ValueFormatOptions> = {}): ValueFormat => formatOf({ encrypt: ring(), ...rest });

/** The body as a reply of Redis. */
const replied = (body: string | Buffer, binary: boolean): string | Buffer => {
  const bytes = Buffer.from(body as string);
  return binary ? bytes : bytes.toString();
};
const carry = async (format: ValueFormat, value: unknown, reader = format): Promise<unknown> => {
  const written = await format.write(KEY, value);
  return reader.read(KEY, written.format, replied(written.body, reader.binary));
};
const writtenBy = (format: ValueFormat, value: unknown): WrittenValue => format.write(KEY, value) as WrittenValue;

/** What `read` gives for it, if that is the refusal that it may give. */
const refusalOf = async (
  format: ValueFormat,
  fields: string,
  body: string | Buffer,
  key = KEY,
): Promise<UnreadableValueError> => {
  try {
    await format.read(key, fields, body);
  } catch (error) {
    if (error instanceof UnreadableValueError) return error;
    throw error;
  }
  throw new Error('It was read.');
};

const aValue = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.date({ noInvalidDate: true }),
  fc.bigInt(),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  fc.array(fc.record({ id: fc.nat(), name: fc.string() }, { noNullPrototype: true }), { minLength: 5, maxLength: 50 }),
  fc
    .tuple(fc.string({ minLength: 1, maxLength: 9 }), fc.integer({ min: 1, max: 20 * KB }))
    .map(([a, n]) => a.repeat(n)),
);
const someOptions = fc.record({
  codec: fc.constantFrom(jsonCodec, quotedCodec),
  compress: fc.oneof(
    fc.constant(false as const),
    fc.record({ aboveBytes: fc.integer({ min: 1, max: 400 }), with: fc.constantFrom(...compressions) }),
  ),
  encrypt: fc.constantFrom(false as const, ring('2025'), ring('2026')),
});

describe('A value in the cache', () => {
  it('comes back equal, whatever it is and however it is written', async () => {
    await fc.assert(
      fc.asyncProperty(aValue, someOptions, async (value, options) => {
        const format = formatOf(options);

        // Jest takes a property named "constructor" for the class.
        deepStrictEqual(await carry(format, value), value);
      }),
      { numRuns: 300 },
    );
  });

  it('is plain JSON without header fields when nothing else is asked for', () => {
    const format = formatOf();

    expect(format.binary).toBe(false);
    expect(format.write(KEY, { id: 1 })).toEqual({ body: '{"id":1}', format: '' });
    expect(format.read(KEY, '', '{"id":1}')).toEqual({ id: 1 });
  });

  it('says in its header which codec, compression and key it was written with', () => {
    const format = formatOf({ codec: quotedCodec, compress: { aboveBytes: 1, with: 'gzip' }, encrypt: ring() });

    expect(format.binary).toBe(true);
    expect(writtenBy(formatOf({ codec: quotedCodec }), 'x').format).toBe('c=quoted');
    expect(writtenBy(format, 'x'.repeat(100)).format).toBe('c=quoted;z=gz;k=2026');
    expect(writtenBy(format, 'x').format).toBe('c=quoted;k=2026');
  });

  it('cannot bring a prototype with it', async () => {
    const planted = '{"__proto__":{"isAdmin":true},"at":{"$date":0}}';
    const format = compressing('gzip', 1, { encrypt: ring() });

    const plain = formatOf().read(KEY, '', planted) as object;
    const carried = (await carry(format, JSON.parse(planted))) as object;

    for (const value of [plain, carried]) {
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
      expect('isAdmin' in value).toBe(false);
      expect(Object.hasOwn(value, '__proto__')).toBe(true);
    }
    expect('isAdmin' in {}).toBe(false);
  });

  it.each(['__proto__', 'constructor', 'toString'])(
    'is not looked for in the prototype of an object by %s',
    async (name) => {
      const format = encrypting();

      expect(await refusalOf(format, `k=${name}`, Buffer.alloc(40))).toMatchObject({ code: 'CACHE_UNREADABLE' });
      expect(await refusalOf(formatOf(), `z=${name}`, Buffer.alloc(40))).toMatchObject({ code: 'CACHE_UNREADABLE' });
    },
  );

  it('takes no thread of the pool when it is small', () => {
    const format = compressing('brotli', 1, { encrypt: ring() });
    const written = writtenBy(format, 'x'.repeat(20 * KB));

    expect(written).toMatchObject({ format: 'z=br;k=2026' });
    expect(format.read(KEY, written.format, written.body)).toBe('x'.repeat(20 * KB));
  });

  it.each(compressions)('is compressed with %s in the thread pool when it is large', async (name) => {
    const format = compressing(name);
    const text = randomBytes(64 * KB).toString('base64');

    const writing = format.write(KEY, text);
    const written = await writing;
    const reading = format.read(KEY, written.format, written.body);

    expect(writing).toBeInstanceOf(Promise);
    expect(written.format).not.toBe('');
    expect(reading).toBeInstanceOf(Promise);
    expect(await reading).toBe(text);
  });

  it('is unpacked in the thread pool when few bytes hold many', async () => {
    const format = compressing('brotli');
    const written = await format.write(KEY, 'x'.repeat(MB));

    expect(written.body.length).toBeLessThan(KB);
    const reading = format.read(KEY, written.format, written.body);

    expect(reading).toBeInstanceOf(Promise);
    expect(await reading).toHaveLength(MB);
  });
});

describe('A value that cannot be cached', () => {
  it('is undefined', () => {
    expect(() => formatOf().write(KEY, undefined)).toThrow(
      new CacheValueError(
        `undefined cannot be cached under "${KEY}". Cache null for "there is none", or delete the key.`,
      ),
    );
  });

  it('is refused with the path of what the codec cannot carry', () => {
    const act = (): unknown => encrypting().write(KEY, { run: () => 's3cret' });

    expect(act).toThrow(CacheValueError);
    expect(act).toThrow(`The value for "${KEY}" cannot be cached. The value at $.run is a function`);
    expect(act).toThrow(expect.objectContaining({ cause: expect.any(CodecError) }));
  });

  it('is one that the codec makes no text of', () => {
    const codec: Codec = { name: 'mine', encode: JSON.stringify, decode: JSON.parse };

    expect(() => formatOf({ codec }).write(KEY, () => 1)).toThrow(
      new CacheValueError(
        `The value for "${KEY}" cannot be cached. The codec "mine" made no text of it. Let its encode() return a string.`,
      ),
    );
  });

  it.each([
    ['plain', {}],
    ['compressed', { compress: { aboveBytes: 1, with: 'gzip' as const } }],
    ['encrypted', { encrypt: ring() }],
  ])('is longer than maxValueBytes in UTF-8, also when it is %s', (_, options) => {
    const format = formatOf({ ...options, maxValueBytes: 22 });
    // With its quotes.
    const twentyTwo = 'é'.repeat(10);

    expect(() => format.write(KEY, twentyTwo)).not.toThrow();
    expect(() => format.write(KEY, `${twentyTwo}.`)).toThrow(
      new CacheValueError(
        `The value for "${KEY}" cannot be cached. It takes 23 bytes, and "maxValueBytes" is 22. ` +
          'Cache a part of it, spread it over several keys, or raise "maxValueBytes".',
      ),
    );
  });

  it('lets other errors of the codec through', () => {
    const error = new TypeError('a bug');
    const codec: Codec = {
      name: 'mine',
      encode: () => {
        throw error;
      },
      decode: JSON.parse,
    };

    expect(() => formatOf({ codec }).write(KEY, 1)).toThrow(error);
  });
});

describe('Compression', () => {
  it.each(compressions)('with %s makes a long value shorter', (name) => {
    const { body } = writtenBy(compressing(name), 'abc'.repeat(1_000));

    expect(Buffer.isBuffer(body)).toBe(true);
    expect(body.length).toBeLessThan(100);
  });

  it('begins with values that take as many bytes as "above" says', () => {
    const format = compressing('brotli', 102);

    // Two bytes for each é, and the quotes.
    expect(writtenBy(format, 'é'.repeat(50)).format).toBe('z=br');
    expect(writtenBy(format, `${'é'.repeat(49)}.`).format).toBe('');
  });

  it('is left out when it saves nothing', async () => {
    // Some of these save a byte or two, which the field in the header takes up again.
    const hardlyShorter = fc
      .tuple(fc.string({ minLength: 10, maxLength: 40 }), fc.nat({ max: 30 }))
      .map(([text, again]) => text + text.slice(0, again));
    await fc.assert(
      fc.asyncProperty(hardlyShorter, fc.constantFrom(...compressions), async (value, name) => {
        const plain = await formatOf().write(KEY, value);
        const { body, format } = await compressing(name).write(KEY, value);

        if (format === '') expect(body).toBe(plain.body);
        else expect(body.length + format.length).toBeLessThan(Buffer.byteLength(plain.body));
      }),
      { numRuns: 2_000 },
    );
  });

  it('with any method is read wherever the runtime has it, and also when it is off', async () => {
    const value = 'abc'.repeat(1_000);
    for (const name of compressions) {
      const { body, format } = await compressing(name).write(KEY, value);

      expect(compressing('gzip').read(KEY, format, body)).toBe(value);
      expect(formatOf().read(KEY, format, body)).toBe(value);
    }
  });

  it.each(compressions)('with %s carries values of any length', async (name) => {
    const format = compressing(name);

    for (const length of [50, 250, 300, 60_000, 70_000, 300_000]) {
      const value = 'abc'.repeat(length / 3);

      expect((await format.write(KEY, value)).format).not.toBe('');
      expect(await carry(format, value)).toBe(value);
    }
  });

  it.each(compressions.filter((name) => name !== 'brotli'))(
    'with %s that was damaged is never another value',
    async (name) => {
      const format = compressing(name);
      const value = { text: 'abc'.repeat(100), id: 'f81d4fae-7dec-11d0-a765' };
      const { body, format: fields } = writtenBy(format, value);

      for (let at = 0; at < body.length; at++) {
        const damaged = Buffer.from(body as Buffer);
        damaged[at]! ^= 0b100;
        try {
          expect(format.read(KEY, fields, damaged)).toEqual(value);
        } catch (error) {
          expect(error).toBeInstanceOf(UnreadableValueError);
        }
      }
    },
  );

  it.each(compressions)('with %s that was cut off anywhere is unreadable', async (name) => {
    const format = compressing(name);
    const { body, format: fields } = writtenBy(format, { text: 'abc'.repeat(100), id: 'f81d4fae-7dec-11d0-a765' });

    for (let length = 0; length < body.length; length++) {
      expect(await refusalOf(format, fields, (body as Buffer).subarray(0, length))).toMatchObject({
        message: expect.stringContaining('Its compressed bytes are damaged: '),
      });
    }
  });

  it.each(compressions)('with %s that was cut off in the thread pool is unreadable', async (name) => {
    const format = compressing(name);
    const { body, format: fields } = await format.write(KEY, randomBytes(200 * KB).toString('base64'));

    for (const length of [body.length - 1, body.length - 5, 150 * KB, 32 * KB]) {
      expect(await refusalOf(format, fields, (body as Buffer).subarray(0, length))).toMatchObject({
        message: expect.stringContaining('Its compressed bytes are damaged: '),
      });
    }
  });

  it.each(compressions)('with %s of more than maxValueBytes is unreadable, and is not unpacked', async (name) => {
    const bomb = compressionNamed(name).deflateSync(Buffer.alloc(100 * MB, '"'));
    const fields = `z=${compressionNamed(name).field}`;

    for (const maxValueBytes of [64 * KB, 10 * MB]) {
      const before = process.memoryUsage().external;
      const refusal = await refusalOf(compressing(name, 1, { maxValueBytes }), fields, bomb);

      expect(process.memoryUsage().external - before).toBeLessThan(2 * maxValueBytes + MB);
      expect(refusal.message).toBe(
        `The entry "${KEY}" cannot be read. It is longer than "maxValueBytes", which is ${maxValueBytes}. ` +
          'Raise that, or delete the entry.',
      );
    }
  });

  it('is read up to maxValueBytes to the byte', async () => {
    const read = (length: number, maxValueBytes: number): unknown =>
      compressing('gzip', 1, { maxValueBytes }).read(KEY, 'z=gz', gzipSync(JSON.stringify('x'.repeat(length - 2))));

    for (const maxValueBytes of [100, 128 * KB, 200 * KB]) {
      expect(await read(maxValueBytes, maxValueBytes)).toHaveLength(maxValueBytes - 2);
      await expect((async () => read(maxValueBytes + 1, maxValueBytes))()).rejects.toThrow(UnreadableValueError);
    }
    // More than a Buffer can take.
    expect(await read(MB, Number.MAX_SAFE_INTEGER)).toHaveLength(MB - 2);
  });

  it('that gives no text is unreadable', async () => {
    const notUtf8 = Buffer.from([0x22, 0xff, 0x22]);

    expect(await refusalOf(compressing('gzip'), 'z=gz', gzipSync(notUtf8))).toMatchObject({
      message: expect.stringContaining('The stored value is no text.'),
    });
  });
});

describe('Encryption', () => {
  it('shows nothing of the value, nor twice the same body', () => {
    const format = encrypting();
    const [one, two] = [writtenBy(format, 's3cret'), writtenBy(format, 's3cret')];

    expect(one.body.toString()).not.toContain('s3cret');
    expect(one.body.length).toBe(12 + 16 + '"s3cret"'.length);
    expect(one.body.slice(0, 12)).not.toEqual(two.body.slice(0, 12));
    expect(one.body.slice(28)).not.toEqual(two.body.slice(28));
  });

  it('writes with the key in use, and reads what any of its keys has written', async () => {
    const [last, next] = [encrypting({ encrypt: ring('2025') }), encrypting({ encrypt: ring('2026') })];

    expect(writtenBy(last, 1).format).toBe('k=2025');
    expect(writtenBy(next, 1).format).toBe('k=2026');
    expect(await carry(last, 'x', next)).toBe('x');
    expect(await carry(next, 'x', last)).toBe('x');
  });

  it('of which any bit was changed is unreadable', async () => {
    await fc.assert(
      fc.asyncProperty(aValue, someOptions, fc.nat(), fc.nat({ max: 7 }), async (value, options, at, bit) => {
        const format = formatOf({ ...options, encrypt: ring() });
        const { body, format: fields } = await format.write(KEY, value);
        const changed = Buffer.from(body as Buffer);
        changed[at % changed.length]! ^= 1 << bit;

        expect((await refusalOf(format, fields, changed)).message).toContain('It was changed, or moved');
      }),
      { numRuns: 300 },
    );
  });

  it('that was cut off anywhere, or made longer, is unreadable', async () => {
    const format = encrypting();
    const { body, format: fields } = writtenBy(format, 'x'.repeat(10));

    for (let length = 0; length < body.length; length++) {
      expect((await refusalOf(format, fields, (body as Buffer).subarray(0, length))).code).toBe('CACHE_UNREADABLE');
    }
    expect((await refusalOf(format, fields, Buffer.concat([body as Buffer, Buffer.alloc(1)]))).code).toBe(
      'CACHE_UNREADABLE',
    );
  });

  it('under another key is unreadable', async () => {
    const redisKey = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom('\n', 'k', '=', ';', '2026', 'z', 'br') }),
    );
    await fc.assert(
      fc.asyncProperty(redisKey, redisKey, someOptions, aValue, async (from, to, options, value) => {
        fc.pre(from !== to);
        const format = formatOf({ ...options, encrypt: ring() });
        const { body, format: fields } = await format.write(from, value);

        expect((await refusalOf(format, fields, body, to)).message).toContain('moved from another key');
      }),
      { numRuns: 300 },
    );
  });

  it('with changed header fields is unreadable', async () => {
    const same = Buffer.alloc(32, 7);
    const twins = new KeyRing(
      new Map([
        ['a', same],
        ['b', same],
      ]),
      'a',
    );
    const format = compressing('gzip', 1, { encrypt: twins });
    const long = writtenBy(format, 'x'.repeat(100));
    // The same bytes would be a value both with and without the field.
    const text: Codec = { name: 'text', encode: String, decode: (text) => text };
    const asText = formatOf({ codec: text, encrypt: twins });

    expect(long.format).toBe('z=gz;k=a');
    for (const [reader, written, fields] of [
      [format, long, 'z=gz;k=b'],
      [format, long, 'k=a'],
      [format, writtenBy(format, 'x'), 'k=b'],
      [asText, writtenBy(formatOf({ encrypt: twins }), 'x'), 'c=text;k=a'],
    ] as const) {
      expect((await refusalOf(reader, fields, written.body)).message).toContain('It was changed, or moved');
    }
  });

  it('with another key of the same id, or with a key that is not here, is unreadable', async () => {
    const { body } = writtenBy(encrypting(), 1);
    const others = new KeyRing(new Map([['2026', Buffer.alloc(32, 9)]]), '2026');

    expect((await refusalOf(formatOf({ encrypt: others }), 'k=2026', body)).message).toContain('its key "2026" is not');
    expect((await refusalOf(encrypting(), 'k=2024', body)).message).toBe(
      `The entry "${KEY}" cannot be read. It is encrypted with the key "2024", which is not here. ` +
        'Add that key to "encrypt.keys", or delete the entry.',
    );
    expect((await refusalOf(compressing('gzip'), 'k=2026', body)).message).toContain('which is not here');
  });

  it('refuses entries that are not encrypted', async () => {
    const planted = '{"isAdmin":true}';
    const format = compressing('gzip', 1, { encrypt: ring() });

    for (const [fields, body] of [
      ['', planted],
      ['', Buffer.from(planted)],
      ['z=gz', gzipSync(planted)],
      ['z=br', brotliCompressSync(planted)],
    ] as const) {
      expect((await refusalOf(format, fields, body)).message).toContain('It is not encrypted, and whoever can write');
    }
  });

  it('shows its keys nowhere', async () => {
    const key = Buffer.from('s3cret-key-of-thirty-two-bytes!!');
    const keys = new KeyRing(new Map([['2026', key]]), '2026');
    const format = formatOf({ encrypt: keys });
    const refusals = [
      await refusalOf(format, 'k=2026', Buffer.alloc(40)),
      await refusalOf(format, 'k=2025', Buffer.alloc(40)),
    ];

    for (const each of [format, keys, ...refusals]) {
      const shown = inspect(each, { depth: Infinity, showHidden: true, getters: true }) + JSON.stringify(each);
      for (const secret of ['s3cret', key.toString('hex'), key.toString('base64'), '73 33 63', '115, 51', '115,51']) {
        expect(shown).not.toContain(secret);
      }
    }
  });
});

describe('An entry that this cache has not written', () => {
  it('is unreadable, whatever it is, and never anything else', async () => {
    const field = fc.oneof(
      fc.constantFrom('c=json', 'c=quoted', 'z=br', 'z=gz', 'z=zstd', 'k=2026', 'k=', 'x=1', 'z', ''),
      fc.string({ maxLength: 5 }),
    );
    const body = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('[', '{"$future":1}', '{"$undefined":true}', '{"$set":3}'),
      fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
      fc.string().map((text) => gzipSync(text)),
      fc.string().map((text) => brotliCompressSync(text)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(field, { maxLength: 4 }), body, someOptions, async (fields, body, options) => {
        try {
          await formatOf(options).read(KEY, fields.join(';'), body);
        } catch (error) {
          expect(error).toBeInstanceOf(UnreadableValueError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    'x=1',
    'c=json;',
    'z=br;z=br',
    'k=1;z=br',
    'z=br;',
    ';z=br',
    'z=',
    'z',
    'z=b\nr',
    'br',
    '\n',
    'z=br;k=1;k=1',
  ])('has the unknown format %j', async (fields) => {
    expect((await refusalOf(formatOf(), fields, '1')).message).toBe(
      `The entry "${KEY}" cannot be read. This version does not know its format ${JSON.stringify(fields)}. ` +
        'Update this process, or delete the entry.',
    );
  });

  it('was written with another codec', async () => {
    const [json, quoted] = [formatOf(), formatOf({ codec: quotedCodec })];

    expect((await refusalOf(quoted, '', writtenBy(json, 1).body)).message).toContain(
      'the codec "json", and the codec here is "quoted"',
    );
    expect((await refusalOf(json, 'c=quoted', writtenBy(quoted, 1).body)).message).toContain('with the codec "quoted"');
  });

  it('is compressed in a way that this runtime does not have', async () => {
    expect((await refusalOf(formatOf(), 'z=lz4', Buffer.alloc(9))).message).toContain(
      'It is compressed as "lz4", which',
    );
  });

  it('was read as text although it is made of bytes', async () => {
    for (const fields of ['z=br', 'k=2026', 'z=br;k=2026']) {
      expect((await refusalOf(formatOf(), fields, 'text')).message).toContain(
        'It is made of bytes and was read as text',
      );
    }
  });

  it('holds undefined', async () => {
    expect((await refusalOf(formatOf(), '', '{"$undefined":true}')).message).toContain('It holds undefined');
  });

  it('is refused without showing what is stored', async () => {
    const json = await refusalOf(formatOf(), '', 's3cret');
    const mine: Codec = { name: 'mine', encode: JSON.stringify, decode: JSON.parse };
    const other = await refusalOf(formatOf({ codec: mine }), 'c=mine', 's3cret');

    expect(json.cause).toBeInstanceOf(CodecError);
    expect(other.message).toBe(`The entry "${KEY}" cannot be read. The codec "mine" refuses it. Delete the entry.`);
    expect(inspect([json, other], { depth: Infinity, showHidden: true }).replaceAll(/^ +at .*$/gm, '')).not.toContain(
      's3cret',
    );
  });
});

describe('A codec', () => {
  it.each([['a;b'], ['a=b\n'], [''], ['x'.repeat(33)], [undefined], [5]])('may not have the name %j', (name) => {
    const codec = { ...jsonCodec, name } as Codec;

    expect(() => formatOf({ codec })).toThrow(CacheOptionsError);
    expect(() => formatOf({ codec })).toThrow(/options\.codec\.name is .*\. Use letters and digits, at most 32\./);
  });
});
