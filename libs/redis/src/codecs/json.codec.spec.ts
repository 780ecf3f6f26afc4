import { deepStrictEqual } from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CodecError } from '../redis.errors.js';
import { jsonCodec } from './json.codec.js';

const carry = (value: unknown): unknown => jsonCodec.decode(jsonCodec.encode(value));

const propertyName = fc.oneof(
  fc.constantFrom('a', '$date', '$object', '$set', '$', '$$', '__proto__', 'constructor', 'toString'),
  fc.string({ unit: 'binary', maxLength: 6 }),
);
const { value: anyValue } = fc.letrec<{ leaf: unknown; value: unknown }>((tie) => ({
  leaf: fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('"', '$', '{', '\\', '\ud800', '\udc00', 'a') }),
    fc.double(),
    fc.constantFrom(-0, Number.NaN, Infinity, -Infinity),
    fc.bigInt(),
    fc.boolean(),
    fc.constant(null),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array(),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  ),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc.array(fc.oneof(tie('value'), fc.constant(undefined)), { maxLength: 4 }),
    fc.array(fc.tuple(propertyName, tie('value')), { maxLength: 3 }).map((entries) => Object.fromEntries(entries)),
    fc.array(fc.oneof(tie('value'), fc.constant(undefined)), { maxLength: 4 }).map((items) => new Set(items)),
    fc
      .array(fc.tuple(tie('value'), fc.oneof(tie('value'), fc.constant(undefined))), { maxLength: 3 })
      .map((entries) => new Map(entries)),
  ),
}));

describe('A value in the JSON codec', () => {
  it('comes back equal and of the same types, whatever it is made of', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        // Jest takes a property named "constructor" for the class.
        deepStrictEqual(carry(value), value);
      }),
      { numRuns: 1_000 },
    );
  });

  it('is not changed by being encoded', () => {
    const make = (): object => ({ at: new Date(0), tags: new Set(['a']), deep: [{ big: 1n, only: { $date: -0 } }] });
    const value = make();

    jsonCodec.encode(value);

    expect(value).toStrictEqual(make());
  });

  it.each([
    [
      'plain data',
      { id: 1, name: 'Ada', tags: ['a', null], ok: true },
      '{"id":1,"name":"Ada","tags":["a",null],"ok":true}',
    ],
    ['a property with a $ beside others', { currency: 'USD', $: 5 }, '{"currency":"USD","$":5}'],
    ['a date', new Date('2026-01-01T00:00:00Z'), '{"$date":"2026-01-01T00:00:00.000Z"}'],
    ['a bigint', { id: 10n }, '{"id":{"$bigint":"10"}}'],
    ['NaN', [Number.NaN], '[{"$number":"NaN"}]'],
    ['minus zero', -0, '{"$number":"-0"}'],
    ['undefined in a list', [undefined, 1], '[{"$undefined":true},1]'],
    ['a map', new Map([['a', 1n]]), '{"$map":[["a",{"$bigint":"1"}]]}'],
    ['a set', new Set([1, 2]), '{"$set":[1,2]}'],
    ['a buffer', Buffer.from('hi'), '{"$buffer":"aGk="}'],
    ['bytes', new Uint8Array([104, 105]), '{"$bytes":"aGk="}'],
  ])('is text that any language can read: %s', (_, value, text) => {
    expect(jsonCodec.encode(value)).toBe(text);
  });

  it('may be a date that is none', () => {
    const date = carry(new Date(Number.NaN));

    expect(date).toBeInstanceOf(Date);
    expect((date as Date).getTime()).toBeNaN();
  });

  it('may be undefined itself', () => {
    expect(carry(undefined)).toBeUndefined();
  });

  it('keeps the order of a map and of a set', () => {
    const { map, set } = carry({
      map: new Map([
        ['b', 1],
        ['a', 2],
      ]),
      set: new Set(['b', 'a']),
    }) as { map: Map<string, number>; set: Set<string> };

    expect([...map]).toEqual([
      ['b', 1],
      ['a', 2],
    ]);
    expect([...set]).toEqual(['b', 'a']);
  });

  it('leaves out properties that are undefined, as JSON does', () => {
    expect(carry({ a: undefined, b: 1 })).toStrictEqual({ b: 1 });
  });

  it.each([
    [{ $date: 1 }],
    [{ $date: '2026-01-01T00:00:00.000Z' }],
    [{ $date: new Date(0) }],
    [{ $object: { $object: { $date: 1 } } }],
    [{ $nothing: null }],
    [{ $: '' }],
    [[{ $undefined: true }]],
    [{ deep: { $set: [1n] } }],
  ])('may look like a tag itself: %j', (value) => {
    expect(carry(value)).toStrictEqual(value);
  });

  it('may look like a tag beside properties that are undefined', () => {
    expect(carry({ $date: 1, gone: undefined })).toStrictEqual({ $date: 1 });
    expect(carry({ gone: undefined, $bigint: new Date(0) })).toStrictEqual({ $bigint: new Date(0) });
  });

  it('may have a property named __proto__, which is one like any other', () => {
    const value: unknown = JSON.parse('{"__proto__":{"isAdmin":true},"at":1}');
    const withTags = Object.assign(value as object, { at: new Date(0), only: JSON.parse('{"__proto__":{"$date":1}}') });

    const carried = carry(withTags) as Record<string, unknown>;

    expect(Object.hasOwn(carried, '__proto__')).toBe(true);
    expect(Object.getPrototypeOf(carried)).toBe(Object.prototype);
    expect('isAdmin' in carried).toBe(false);
    expect(carried).toStrictEqual(withTags);
    expect('isAdmin' in {}).toBe(false);
  });

  it('without a prototype comes back as a plain object', () => {
    const bare = Object.assign(Object.create(null) as object, { a: 1n });

    expect(carry(bare)).toStrictEqual({ a: 1n });
  });

  it('may come from another realm, as what fetch returns does under Jest', () => {
    const foreign: unknown = runInNewContext(
      '({ list: [{}], at: new Date(0), map: new Map([["a", 1]]), set: new Set([1]) })',
    );

    expect(carry(foreign)).toStrictEqual({ list: [{}], at: new Date(0), map: new Map([['a', 1]]), set: new Set([1]) });
  });

  it('has no ties to the bytes it was made of', () => {
    const bytes = carry(new Uint8Array([1])) as Uint8Array;

    expect(bytes).not.toBeInstanceOf(Buffer);
    expect(bytes.buffer.byteLength).toBe(1);
  });
});

describe('A value that JSON cannot carry', () => {
  class Money {
    constructor(readonly secret: string) {}
  }
  const cycle: Record<string, unknown> = { secret: 's3cret' };
  cycle['self'] = cycle;

  it.each([
    ['an instance of a class', { price: { net: new Money('s3cret') } }, '$.price.net', 'an instance of Money'],
    ['an error', [new RangeError('s3cret')], '$[0]', 'an instance of RangeError'],
    ['a boxed string', { a: Object('s3cret') as object }, '$.a', 'an instance of String'],
    ['a regular expression', new Set([/s3cret/]), '$[0]', 'an instance of RegExp'],
    ['a typed array other than bytes', { a: new Float64Array(1) }, '$.a', 'an instance of Float64Array'],
    ['a promise', { a: Promise.resolve('s3cret') }, '$.a', 'an instance of Promise'],
  ])('such as %s is refused with its path and without its content', (_, value, path, what) => {
    const error = thrownBy(() => jsonCodec.encode(value));

    expect(error).toBeInstanceOf(CodecError);
    expect(error).toMatchObject({
      code: 'CODEC',
      path,
      message:
        `The value at ${path} is ${what}, which JSON cannot carry. ` +
        'Convert it to plain data first, or give its class to createJsonCodec().',
    });
  });

  it.each([
    ['a function', { run: () => 's3cret' }, '$.run'],
    ['a symbol', [1, Symbol('s3cret')], '$[1]'],
  ])('such as %s, for which there is no class, is refused in the same way', (what, value, path) => {
    const error = thrownBy(() => jsonCodec.encode(value));

    expect(error).toBeInstanceOf(CodecError);
    expect(error).toMatchObject({
      code: 'CODEC',
      path,
      message: `The value at ${path} is ${what}, which JSON cannot carry. Convert it to plain data first.`,
    });
  });

  it('is named by its place in a map, too', () => {
    expect(() =>
      jsonCodec.encode(
        new Map([
          ['a', 1 as unknown],
          ['b', () => 1],
        ]),
      ),
    ).toThrow(/^The value at \$\[1\] is a function/);
  });

  it.each([
    ['an object that holds itself', cycle],
    [
      'a list that holds itself',
      (() => {
        const list: unknown[] = [];
        list.push(list);
        return list;
      })(),
    ],
    [
      'objects that hold each other twice',
      (() => {
        const one: Record<string, unknown> = {};
        const two = { a: one, b: one };
        one['a'] = two;
        one['b'] = two;
        return one;
      })(),
    ],
  ])('such as %s is refused as cyclic', (_, value) => {
    const error = thrownBy(() => jsonCodec.encode(value));

    expect(error).toBeInstanceOf(CodecError);
    expect(error.message).toMatch(/or cyclic, which JSON cannot carry/);
    expect(error.message).not.toContain('s3cret');
  });
});

describe('A text that the JSON codec has not written', () => {
  it.each([
    ['no JSON', 's3cret'],
    ['a tag from a newer version', '{"a":{"$s3cret-tag-of-the-future":1}}'],
    ['a tag with a wrong content', '{"$bigint":"s3cret"}'],
    ['a set that is no list', '{"$set":{"s3cret":1}}'],
    ['a map that is no list of pairs', '{"$map":["s3cret"]}'],
  ])('because it is %s is refused with a CodecError that does not show what is stored', (_, text) => {
    const error = thrownBy(() => jsonCodec.decode(text));

    expect(error).toBeInstanceOf(CodecError);
    expect(error.message).not.toMatch(/"s3cret/);
  });

  it('because its tag is from a newer version is refused by the name of that tag', () => {
    expect(() => jsonCodec.decode('{"a":{"$duration":"PT1S"}}')).toThrow(
      'The stored value has the unknown tag "$duration".',
    );
  });

  it('may not smuggle in a prototype', () => {
    const value = jsonCodec.decode('{"at":{"$date":0},"__proto__":{"isAdmin":true}}') as object;

    expect('isAdmin' in value).toBe(false);
  });
});

function thrownBy(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error('Nothing was thrown.');
}
