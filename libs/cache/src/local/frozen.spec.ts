import { deepStrictEqual } from 'node:assert/strict';
import { types } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { cloneDeep, copyOut, freezeDeep } from './frozen.js';

class Money {
  constructor(
    readonly amount: number,
    readonly details: unknown = null,
  ) {}

  double(): number {
    return this.amount * 2;
  }
}

class Page extends Array<unknown> {
  next: unknown = { cursor: 'a' };
}

class Tags extends Set<unknown> {
  owner: unknown = { id: 1 };
}

const { value: anyValue } = fc.letrec<{ leaf: unknown; value: unknown }>((tie) => ({
  leaf: fc.oneof(
    fc.string(),
    fc.double(),
    fc.bigInt(),
    fc.boolean(),
    fc.constantFrom(null, undefined, -0, Number.NaN),
    // Node 20 takes no two invalid dates for equal.
    fc.date({ noInvalidDate: true }),
    fc.uint8Array(),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.float64Array({ maxLength: 3 }),
  ),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc.array(tie('value'), { maxLength: 4 }),
    fc
      .array(fc.tuple(fc.constantFrom('a', 'b', '__proto__', 'constructor'), tie('value')), { maxLength: 3 })
      .map((entries) => Object.fromEntries(entries)),
    fc.array(tie('value'), { maxLength: 3 }).map((items) => new Set(items)),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 3 }).map((entries) => new Map(entries)),
    fc.tuple(fc.integer(), tie('value')).map(([amount, details]) => new Money(amount, details)),
    fc.array(tie('value'), { maxLength: 3 }).map((items) => Object.assign(new Page(), items)),
    fc.array(tie('value'), { maxLength: 3 }).map((items) => new Tags(items)),
  ),
}));

const mutables: [string, () => object][] = [
  ['a Map', () => new Map([['a', { b: 1 }]])],
  ['a Set', () => new Set([1])],
  ['a Date', () => new Date(0)],
  ['a Buffer', () => Buffer.from('a')],
  ['a Uint8Array', () => new Uint8Array([1])],
  ['an empty Uint8Array', () => new Uint8Array()],
  ['a BigInt64Array', () => new BigInt64Array([1n])],
  ['a DataView', () => new DataView(new ArrayBuffer(2), 1)],
  ['an ArrayBuffer', () => new Uint8Array([1]).buffer],
  ['a RegExp', () => /a/g],
];

describe('A value that callers share', () => {
  it('is frozen on all levels', () => {
    const value = { list: [{ deep: [{}] }], money: new Money(1, { net: {} }), page: Page.from([{}]) };

    expect(freezeDeep(value)).toStrictEqual({ value, copies: false });

    expect(openObjects(value)).toEqual([]);
    expect(() => value.list[0]!.deep.push({})).toThrow(TypeError);
  });

  it.each([['text'], [1], [1n], [true], [null], [undefined]])('may be a primitive: %p', (value) => {
    expect(freezeDeep(value)).toStrictEqual({ value, copies: false });
  });

  it.each(mutables)('is the same object as before, and needs copies if it is or holds %s', (_, make) => {
    for (const value of [make(), [make()], { a: { b: make() } }, new Money(1, make()), new Set([[make()]])]) {
      expect(freezeDeep(value)).toStrictEqual({ value, copies: true });
      expect(freezeDeep(value).value).toBe(value);
    }
  });

  it('is frozen inside a map and a set', () => {
    const value = { map: new Map([[{ key: {} }, { item: {} }]]), set: new Set([[{}]]), tags: new Tags() };

    freezeDeep(value);

    expect(openObjects(value)).toEqual([]);
  });

  it('is frozen below an instance that its constructor has frozen', () => {
    const value = new Money(1, Object.freeze({ open: {}, at: new Date(0) }));

    expect(freezeDeep(Object.freeze(value)).copies).toBe(true);

    expect(openObjects(value)).toEqual([]);
  });

  it('is frozen once where instances share parts', () => {
    let reads = 0;
    const counted = (parts: object): object =>
      new Proxy(parts, {
        ownKeys: (target) => {
          reads += 1;
          return Reflect.ownKeys(target);
        },
      });
    let value = counted(new Money(0));
    for (let level = 0; level < 12; level++) value = counted(new Money(level, [value, value]));

    freezeDeep(value);

    // For each of the 13: freezing, the test whether it is frozen, and two looks inside.
    expect(reads).toBeLessThan(13 * 6);
  });

  it('may hold itself through an instance', () => {
    const parent = new Money(1, [] as unknown[]);
    (parent.details as unknown[]).push(new Money(2, parent));

    expect(freezeDeep(parent).copies).toBe(false);
  });

  it('is frozen whatever it is made of', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const { copies } = freezeDeep(value);

        expect(openObjects(value)).toEqual([]);
        expect(copies).toBe([...objectsIn(value)].some(isMutable));
      }),
      { numRuns: 500 },
    );
  });
});

describe('What a reader gets of a shared value', () => {
  it.each(mutables)('has a copy of %s that is equal and of the same type', (_, make) => {
    const shared = freezeDeep({ a: make() }).value as { a: object };

    const copy = copyOut(shared) as { a: object };

    expect(copy.a).not.toBe(shared.a);
    deepStrictEqual(copy, { a: make() });
    expect(Object.getPrototypeOf(copy.a)).toBe(Object.getPrototypeOf(make()));
  });

  it('shows nothing of what another reader does to it', () => {
    const make = (): [Map<string, Date>, Set<number>, Buffer, Uint8Array] => [
      new Map([['at', new Date(0)]]),
      new Set([1]),
      Buffer.from('a'),
      new Uint8Array([1]),
    ];
    const shared = freezeDeep(make()).value;

    const [map, set, buffer, bytes] = copyOut(shared) as ReturnType<typeof make>;
    map.get('at')!.setTime(1);
    map.clear();
    set.add(2);
    buffer[0] = 0;
    bytes[0] = 0;

    expect(copyOut(shared)).toStrictEqual(make());
  });

  it('is frozen on the path to a copy, and the very same everywhere else', () => {
    const shared = freezeDeep({
      not: [Number.NaN, { a: {} }],
      path: [new Money(1, { at: new Date(0) }), new Money(2, {})],
    }).value as { not: object; path: [Money, Money] };

    const copy = copyOut(shared) as typeof shared;

    expect(copy).toStrictEqual(shared);
    expect(copy.not).toBe(shared.not);
    expect(copy.path[1]).toBe(shared.path[1]);
    expect(copy.path[0]).not.toBe(shared.path[0]);
    expect(copy.path[0].double()).toBe(2);
    expect([copy, copy.path, copy.path[0], copy.path[0].details].every((item) => Object.isFrozen(item))).toBe(true);
  });

  it('shares what a map holds, unless that is mutable, too', () => {
    const value = new Map<string, object>([
      ['plain', { a: {} }],
      ['dated', { at: new Date(0) }],
    ]);
    const shared = freezeDeep(value).value as Map<string, object>;

    const copy = copyOut(shared) as typeof shared;

    expect(copy.get('plain')).toBe(shared.get('plain'));
    expect(copy.get('dated')).not.toBe(shared.get('dated'));
    expect(copy.get('dated')).toStrictEqual({ at: new Date(0) });
  });

  it('is the same object when nothing in it is mutable', () => {
    const shared = freezeDeep({ a: [Number.NaN, new Money(1, {})] }).value;

    expect(copyOut(shared)).toBe(shared);
  });

  it('is equal, frozen and safe to use, whatever the value is made of', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const expected = cloneDeep(value);
        const shared = freezeDeep(value).value;

        const copy = copyOut(shared);

        deepStrictEqual(copy, expected);
        expect(openObjects(copy)).toEqual([]);
        const originals = objectsIn(shared);
        for (const item of objectsIn(copy)) {
          // Either shared, or with something in it that is not.
          expect(originals.has(item)).toBe(![...objectsIn(item)].some(isMutable));
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('A private copy of a value', () => {
  it.each(mutables)('has %s of its own, of the same type', (_, make) => {
    const value = make();

    const copy = cloneDeep(value) as object;

    expect(copy).not.toBe(value);
    deepStrictEqual(copy, make());
    expect(Object.getPrototypeOf(copy)).toBe(Object.getPrototypeOf(value));
  });

  it('shares nothing with the value and can be changed on all levels, although the value is frozen', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const expected = cloneDeep(value);
        const { value: shared } = freezeDeep(value);

        const copy = cloneDeep(shared);

        deepStrictEqual(copy, expected);
        const originals = objectsIn(shared);
        for (const item of objectsIn(copy)) {
          expect(originals.has(item)).toBe(false);
          expect(Object.isFrozen(item) && !ArrayBuffer.isView(item)).toBe(false);
          for (const property of Object.values(Object.getOwnPropertyDescriptors(item))) {
            expect(property.writable).toBe(true);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('keeps the class of its instances and what their fields hold', () => {
    const value = { price: new Money(2, new Money(3)), page: Object.assign(new Page(), [1]), tags: new Tags([{}]) };

    const copy = cloneDeep(freezeDeep(value).value) as typeof value;

    expect(copy).toStrictEqual(value);
    expect(copy.price.double()).toBe(4);
    expect(copy.page).toBeInstanceOf(Page);
    expect(copy.page.next).toStrictEqual({ cursor: 'a' });
    expect(copy.tags).toBeInstanceOf(Tags);
    expect(copy.tags.owner).toStrictEqual({ id: 1 });
  });

  it('keeps the message and the cause of an error', () => {
    const value = new RangeError('too far', { cause: { at: [1] } });

    const copy = cloneDeep(value) as RangeError;

    expect(copy).toBeInstanceOf(RangeError);
    expect(copy.message).toBe('too far');
    expect(Object.keys(copy)).toEqual([]);
    expect(copy.cause).toStrictEqual({ at: [1] });
    expect(copy.cause).not.toBe(value.cause);
    expect(Reflect.deleteProperty(copy, 'cause')).toBe(true);
  });

  it('keeps a property named __proto__ as one like any other', () => {
    const make = (): unknown => Object.assign(JSON.parse('{"__proto__":{"isAdmin":true}}') as object, { a: 1 });

    const copy = cloneDeep(freezeDeep(make()).value) as Record<string, unknown>;

    expect(Object.hasOwn(copy, '__proto__')).toBe(true);
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
    expect('isAdmin' in copy).toBe(false);
    expect(copy).toStrictEqual(make());
  });
});

function isMutable(value: object): boolean {
  return (
    types.isDate(value) ||
    types.isMap(value) ||
    types.isSet(value) ||
    types.isRegExp(value) ||
    types.isAnyArrayBuffer(value) ||
    ArrayBuffer.isView(value)
  );
}

/** `value` and every object below it. */
function objectsIn(value: unknown, found = new Set<object>()): Set<object> {
  if (typeof value !== 'object' || value === null || found.has(value)) return found;
  found.add(value);
  if (ArrayBuffer.isView(value)) return found;
  const inner = types.isMap(value) ? [...value].flat() : types.isSet(value) ? [...value] : [];
  for (const part of [...inner, ...Object.values(value)]) objectsIn(part, found);
  return found;
}

/** What could be changed although it could be frozen. */
function openObjects(value: unknown): object[] {
  return [...objectsIn(value)].filter((item) => !isMutable(item) && !Object.isFrozen(item));
}
