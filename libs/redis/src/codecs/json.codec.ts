import { types } from 'node:util';
import { CodecError } from '../redis.errors.js';
import type { Codec } from './codec.js';
import { ESCAPED, REVIVERS, tag, type Tagged } from './json-tags.js';

const MAX_DEPTH = 200;

/**
 * JSON that any language can read, with tags such as `{"$date": "2026-01-01T00:00:00.000Z"}` for what JSON lacks: Date,
 * bigint, Map, Set, Buffer, Uint8Array, NaN, the infinities, -0, and undefined in a list. Properties that are undefined
 * are left out, as JSON does. Functions, symbols, cycles and instances of other classes are refused; what extends Array,
 * Map, Set or Date comes back as the plain type.
 */
export const jsonCodec: Codec = {
  name: 'json',

  encode(value) {
    return JSON.stringify(toJson(value, '$', 0));
  },

  decode(text) {
    try {
      const value: unknown = JSON.parse(text);
      // A search for one character is many times as fast, and most texts have no `$` at all.
      return text.includes('$') && text.includes('"$') ? revive(value) : value;
    } catch (error) {
      if (error instanceof CodecError) throw error;
      // Without the cause: its message quotes the stored value.
      throw new CodecError(
        'The stored value is not what the JSON codec writes. Delete it, or find who else writes it.',
        '$',
      );
    }
  },
};

/** The value itself when JSON can carry all of it, else a copy with tags. */
function toJson(value: unknown, path: string, depth: number): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : tag('number', Object.is(value, -0) ? '-0' : String(value));
    case 'bigint':
      return tag('bigint', String(value));
    case 'undefined':
      return tag('undefined', true);
    case 'object':
      return value === null ? null : objectToJson(value, path, depth);
    default:
      throw refusal(path, `a ${typeof value}`);
  }
}

function objectToJson(value: object, path: string, depth: number): unknown {
  if (depth > MAX_DEPTH) throw refusal(path, `nested deeper than ${MAX_DEPTH} levels, or cyclic`);
  if (Array.isArray(value)) return listToJson(value, path, depth);
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (isPlain(prototype)) return plainToJson(value as Record<string, unknown>, path, depth);
  if (types.isDate(value)) return tag('date', Number.isNaN(value.getTime()) ? null : value.toISOString());
  if (types.isMap(value)) {
    const entries = [...value].map(([key, item], index) =>
      [key, item].map((part) => toJson(part, `${path}[${index}]`, depth + 1)),
    );
    return tag('map', entries);
  }
  if (types.isSet(value)) return tag('set', listToJson([...value], path, depth));
  if (Buffer.isBuffer(value)) return tag('buffer', value.toString('base64'));
  if (prototype === Uint8Array.prototype) return tag('bytes', Buffer.from(value as Uint8Array).toString('base64'));
  throw refusal(path, `an instance of ${value.constructor?.name || 'a class'}`);
}

/** Also for objects of another realm: under Jest, what `fetch` and `structuredClone` return has an Object of its own. */
function isPlain(prototype: object | null): boolean {
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}

function listToJson(list: readonly unknown[], path: string, depth: number): unknown[] {
  let copy: unknown[] | undefined;
  for (let index = 0; index < list.length; index++) {
    const item = list[index];
    const json = toJson(item, `${path}[${index}]`, depth + 1);
    if (json !== item && !copy) copy = list.slice(0, index);
    copy?.push(json);
  }
  return copy ?? (list as unknown[]);
}

function plainToJson(object: Record<string, unknown>, path: string, depth: number): unknown {
  let copy: Record<string, unknown> | undefined;
  let present = 0;
  let last = '';
  for (const key of Object.keys(object)) {
    const item = object[key];
    if (item === undefined) continue;
    present += 1;
    last = key;
    const json = toJson(item, `${path}.${key}`, depth + 1);
    if (json === item) continue;
    copy ??= Object.fromEntries(Object.entries(object));
    define(copy, key, json);
  }
  return present === 1 && last.startsWith('$') ? tag(ESCAPED, copy ?? object) : (copy ?? object);
}

function revive(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(revive);
  const [only, ...others] = Object.keys(value);
  if (only?.startsWith('$') && others.length === 0) return reviveTag(only.slice(1), value as Tagged);
  return reviveProperties(value as Record<string, unknown>);
}

function reviveTag(name: string, tagged: Tagged): unknown {
  const content = tagged[`$${name}`];
  if (name === ESCAPED) return reviveProperties(content as Record<string, unknown>);
  const reviver = REVIVERS[name];
  if (!reviver) throw new CodecError(`The stored value has the unknown tag "$${name.slice(0, 20)}".`, '$');
  return reviver(content, revive);
}

function reviveProperties(object: Record<string, unknown>): Record<string, unknown> {
  for (const key of Object.keys(object)) define(object, key, revive(object[key]));
  return object;
}

/** Assignment, except that `__proto__` becomes a property like any other. */
function define(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== '__proto__') object[key] = value;
  else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

function refusal(path: string, what: string): CodecError {
  return new CodecError(
    `The value at ${path} is ${what}, which JSON cannot carry. Convert it to plain data first.`,
    path,
  );
}
