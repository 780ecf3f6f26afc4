import { deepStrictEqual } from 'node:assert/strict';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CodecError } from '../redis.errors.js';
import { CodecOptionsError } from './codec-options.error.js';
import { jsonType } from './json-type.js';
import { createJsonCodec, jsonCodec } from './json.codec.js';

class Money {
  private constructor(
    readonly cents: bigint,
    readonly currency: string,
  ) {}

  static of(cents: bigint, currency: string): Money {
    return new Money(cents, currency);
  }

  double(): Money {
    return new Money(this.cents * 2n, this.currency);
  }
}

abstract class Shape {
  constructor(readonly parts: unknown) {}
}
class Square extends Shape {}
class RedSquare extends Square {}
class Tags extends Set<unknown> {}
class MoreTags extends Tags {}
class Page extends Array<unknown> {}

const money = jsonType({
  name: 'money',
  class: Money,
  encode: (value) => ({ cents: value.cents, currency: value.currency }),
  decode: ({ cents, currency }) => Money.of(cents, currency),
});
const square = jsonType({
  name: 'square',
  class: Square,
  encode: (value) => value.parts,
  decode: (parts) => new Square(parts),
});
const redSquare = jsonType({
  name: 'square.red',
  class: RedSquare,
  encode: (value) => value.parts,
  decode: (parts) => new RedSquare(parts),
});
const tags = jsonType({ name: 'tags', class: Tags, encode: (value) => [...value], decode: (items) => new Tags(items) });
const page = jsonType({
  name: 'page',
  class: Page,
  encode: (value) => [...value],
  decode: (items) => Object.assign(new Page(), items),
});

const codec = createJsonCodec({ types: [money, square, redSquare, tags, page] });
const carry = (value: unknown): unknown => codec.decode(codec.encode(value));

const propertyName = fc.constantFrom('a', 'b', '$type:money', '$type:none', '$type:', '$object', '$date', '__proto__');

function values(withInstances: boolean): fc.Arbitrary<unknown> {
  return fc.letrec<{ value: unknown }>((tie) => {
    const list = fc.array(tie('value'), { maxLength: 3 });
    const instances = [
      fc.tuple(fc.bigInt(), fc.string()).map(([cents, currency]) => Money.of(cents, currency)),
      tie('value').map((parts) => new Square(parts)),
      tie('value').map((parts) => new RedSquare(parts)),
      list.map((items) => new Tags(items)),
      list.map((items) => Object.assign(new Page(), items)),
    ];
    return {
      value: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.oneof(fc.string(), fc.double(), fc.constant(null), fc.date({ noInvalidDate: true })),
        list,
        fc.array(fc.tuple(propertyName, tie('value')), { maxLength: 3 }).map((entries) => Object.fromEntries(entries)),
        list.map((items) => new Set(items)),
        fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 3 }).map((entries) => new Map(entries)),
        ...(withInstances ? instances : []),
      ),
    };
  }).value;
}

describe('An instance of a registered class', () => {
  it('comes back as one, equal, wherever it is and whatever it holds', () => {
    fc.assert(
      fc.property(values(true), (value) => {
        deepStrictEqual(carry(value), value);
      }),
      { numRuns: 1_000 },
    );
  });

  it('has its methods again', () => {
    const { price } = carry({ price: Money.of(5n, 'EUR') }) as { price: Money };

    expect(price).toBeInstanceOf(Money);
    expect(price.double()).toStrictEqual(Money.of(10n, 'EUR'));
  });

  it('is text that any language can read', () => {
    expect(codec.encode([Money.of(5n, 'EUR'), new RedSquare([new Date(0)])])).toBe(
      '[{"$type:money":{"cents":{"$bigint":"5"},"currency":"EUR"}},' +
        '{"$type:square.red":[{"$date":"1970-01-01T00:00:00.000Z"}]}]',
    );
  });

  it('may be the value itself, and may be encoded as nothing', () => {
    expect(codec.encode(new Square(undefined))).toBe('{"$type:square":{"$undefined":true}}');
    expect(carry(new Square(undefined))).toStrictEqual(new Square(undefined));
  });

  it('is not changed by being encoded', () => {
    const value = { square: new Square([Money.of(1n, 'EUR'), { at: new Date(0) }]) };

    codec.encode(value);

    expect(value).toStrictEqual({ square: new Square([Money.of(1n, 'EUR'), { at: new Date(0) }]) });
  });

  it('may have a type that is an instance, too', () => {
    class UnitType {
      readonly name = 'money';
      readonly class = Money;
      readonly #unit = 100n;
      encode(value: Money): bigint {
        return value.cents / this.#unit;
      }
      decode(units: bigint): Money {
        return Money.of(units * this.#unit, 'EUR');
      }
    }
    const units = createJsonCodec({ types: [new UnitType()] });

    expect(units.decode(units.encode(Money.of(500n, 'EUR')))).toStrictEqual(Money.of(500n, 'EUR'));
  });
});

describe('A codec with types', () => {
  it('writes what holds no instance as the codec without types, and reads it', () => {
    expect(codec.name).toBe(jsonCodec.name);
    fc.assert(
      fc.property(values(false), (value) => {
        const text = jsonCodec.encode(value);

        expect(codec.encode(value)).toBe(text);
        deepStrictEqual(codec.decode(text), value);
      }),
      { numRuns: 300 },
    );
  });

  it('takes an object that looks like an instance for an object', () => {
    expect(codec.encode({ '$type:money': 1 })).toBe('{"$object":{"$type:money":1}}');
    expect(carry({ '$type:money': Money.of(1n, 'EUR') })).toStrictEqual({ '$type:money': Money.of(1n, 'EUR') });
  });

  it('writes what extends a built-in class as the plain one, unless it is registered', () => {
    class Dated extends Date {}

    expect(carry(new Dated(0))).toStrictEqual(new Date(0));
    expect(carry(new Tags([1]))).toBeInstanceOf(Tags);
  });

  it('takes an object without a prototype for a plain one', () => {
    expect(carry(Object.assign(Object.create(null) as object, { a: 1n }))).toStrictEqual({ a: 1n });
  });

  it.each([
    ['an unknown class', { a: [new RangeError('s3cret')] }, '$.a[0]', 'RangeError'],
    ['a subclass of a registered one', { a: new (class Blue extends Square {})('s3cret') }, '$.a', 'Blue'],
    ['a subclass of a registered list', [new (class Long extends Page {})()], '$[0]', 'Long'],
    ['a subclass of a registered set', new Map([['s3cret', new MoreTags()]]), '$[0]', 'MoreTags'],
    ['a far subclass', new (class extends MoreTags {})(), '$', 'a class'],
  ])('refuses an instance of %s with its path', (_, value, path, name) => {
    const error = thrownBy(() => codec.encode(value));

    expect(error).toBeInstanceOf(CodecError);
    expect(error).toMatchObject({
      code: 'CODEC',
      path,
      message:
        `The value at ${path} is an instance of ${name}, which JSON cannot carry. ` +
        'Convert it to plain data first, or give its class to createJsonCodec().',
    });
  });

  it('names the path of what is wrong in the encoded data', () => {
    expect(() => codec.encode({ a: new Square({ run: () => 1 }) })).toThrow(
      'The value at $.a.run is a function, which JSON cannot carry. Convert it to plain data first.',
    );
  });

  it('refuses a type that encodes an instance as itself', () => {
    const endless = createJsonCodec({ types: [jsonType({ ...square, encode: (value) => value })] });

    expect(() => endless.encode(new Square(1))).toThrow(/nested deeper than 200 levels, or cyclic/);
  });

  it.each([
    [new RangeError('s3cret'), 'RangeError'],
    [new CodecError('s3cret', '$.s3cret'), 'CodecError'],
    [new (class extends Error {})('s3cret'), 'an error'],
    ['s3cret', 'a string'],
  ])('says that encode() has thrown, not what', (thrown, what) => {
    const failing = createJsonCodec({ types: [jsonType({ ...square, encode: () => raise(thrown) })] });

    const error = thrownBy(() => failing.encode({ list: [new Square('s3cret')] }));

    expect(error).toBeInstanceOf(CodecError);
    expect(error).toMatchObject({
      path: '$.list[0]',
      message:
        `The value at $.list[0] cannot be stored: encode() of the type "square" threw ${what}. ` +
        'Let it accept every instance of its class.',
    });
    expect(error.cause).toBeUndefined();
  });

  it.each([
    [new RangeError('s3cret'), 'RangeError'],
    [new CodecError('s3cret', '$.s3cret'), 'CodecError'],
    [new (class extends Error {})('s3cret'), 'an error'],
    ['s3cret', 'a string'],
  ])('says that decode() has thrown, not what', (thrown, what) => {
    const failing = createJsonCodec({ types: [jsonType({ ...square, decode: () => raise(thrown) })] });

    const error = thrownBy(() => failing.decode(codec.encode({ list: [new Square('s3cret')] })));

    expect(error).toBeInstanceOf(CodecError);
    expect(error).toMatchObject({
      path: '$',
      message:
        `The stored value cannot be read: decode() of the type "square" threw ${what}. ` +
        'Let it read what older versions wrote, or delete the stored value.',
    });
    expect(error.cause).toBeUndefined();
  });

  it('refuses an instance of a type that it does not know, as any unknown tag', () => {
    const text = createJsonCodec({ types: [jsonType({ ...square, name: 'a'.repeat(64) })] }).encode([new Square(1)]);

    for (const reader of [jsonCodec, codec]) {
      const error = thrownBy(() => reader.decode(text));

      expect(error).toBeInstanceOf(CodecError);
      expect(error.message).toBe(
        `The stored value has the unknown tag "$type:${'a'.repeat(64)}". Give its class to createJsonCodec().`,
      );
    }
  });

  it.each([
    ['$type:constructor', '"$type:constructor". Give its class to createJsonCodec().'],
    ['$type:', '"$type:". Give its class to createJsonCodec().'],
    ['$money', '"$money".'],
    ['$kind:money', '"$kind:money".'],
    ['$kind:of-something-longer', '"$kind:of-something-lo".'],
  ])('does not take the tag %s for a type', (name, unknown) => {
    const error = thrownBy(() => codec.decode(JSON.stringify({ [name]: {} })));

    expect(error).toBeInstanceOf(CodecError);
    expect(error.message).toBe(`The stored value has the unknown tag ${unknown}`);
  });

  it('refuses a wrong tag inside an instance by the name of that tag', () => {
    expect(() => codec.decode('{"$type:square":{"a":{"$duration":1}}}')).toThrow(
      'The stored value has the unknown tag "$duration".',
    );
  });
});

describe('The types of a codec', () => {
  const other = { ...money, name: 'other' };

  it.each<[string, unknown, string]>([
    ['without options', undefined, 'options is missing. Give an object.'],
    ['without a list', { types: { money } }, 'options.types is no list. Give a list of what jsonType() returns.'],
    ['with another option', { types: [], typos: [] }, 'options.typos is not an option. Known here: types.'],
    ['that is a class', { types: [Money] }, 'options.types[0] is of type function. Give an object.'],
    ['that is null', { types: [null] }, 'options.types[0] is null. Give an object.'],
    [
      'with another property',
      { types: [{ ...money, revive: 1 }] },
      'options.types[0].revive is not an option. Known here: name, class, encode, decode.',
    ],
    ['without a class', { types: [{ ...money, class: () => 1 }] }, 'options.types[0].class is no class. Give the'],
    ['of one class', { types: [money, other] }, 'options.types[1].class is Money, as that of another type. Give one'],
    ['of one name', { types: [money, square, money] }, 'options.types[2].name is "money", as that of another type.'],
    ['without encode', { types: [{ ...money, encode: 1 }] }, 'options.types[0] has no encode() and decode(). Give'],
    ['without decode', { types: [{ ...money, decode: 1 }] }, 'options.types[0] has no encode() and decode(). Give'],
  ])('are refused at once: %s', (_, options, mistake) => {
    const error = thrownBy(() => createJsonCodec(options as never));

    expect(error).toBeInstanceOf(CodecOptionsError);
    expect(error).toMatchObject({ code: 'CODEC_OPTIONS' });
    expect(error.message).toContain(`  - ${mistake}`);
  });

  it.each([[Object], [Array], [Date], [Map], [Set], [Buffer], [Uint8Array]])(
    'may not stand for what the codec carries by itself: %p',
    (builtIn) => {
      expect(() => createJsonCodec({ types: [{ ...money, class: builtIn }] })).toThrow(
        `options.types[0].class is ${builtIn.name}, which the codec carries by itself. Leave it out.`,
      );
    },
  );

  it.each([[''], ['_a'], ['1a'], ['-a'], ['a b'], ['a:b'], ['a\n'], ['é'], ['a'.repeat(65)], [1], [undefined]])(
    'may not have the name %j',
    (name) => {
      expect(() => createJsonCodec({ types: [{ ...money, name: name as string }] })).toThrow(
        /options\.types\[0\]\.name is .*\. Use a letter, then letters, digits, "\.", "_" and "-", at most 64 in all\./,
      );
    },
  );

  it.each([['a'], ['Money'], ['shop.money_v2-1'], ['a'.repeat(64)], ['constructor'], ['object']])(
    'may have the name %s',
    (name) => {
      const named = createJsonCodec({ types: [{ ...money, name }] });

      expect(named.decode(named.encode(Money.of(1n, 'EUR')))).toStrictEqual(Money.of(1n, 'EUR'));
    },
  );

  it('are refused with all mistakes in one error, each named once', () => {
    const types = [
      { ...money, name: '' },
      { ...square, name: '', class: Map as never },
      { ...tags, class: (() => class {})() },
    ];

    const error = thrownBy(() => createJsonCodec({ types: [...types, { ...types[2]!, name: 'tags2' }] as never }));

    expect((error as CodecOptionsError).mistakes).toEqual([
      expect.stringContaining('options.types[0].name'),
      expect.stringContaining('options.types[1].name'),
      expect.stringContaining('options.types[1].class'),
      'options.types[3].class is a class without a name, as that of another type. Give one type for each class.',
    ]);
  });
});

function raise(thrown: unknown): never {
  throw thrown;
}

function thrownBy(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error('Nothing was thrown.');
}
