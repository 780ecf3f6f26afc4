import { types } from 'node:util';
import { CodecError } from '../redis.errors.js';
import { define, ESCAPED, tag, TYPE_PREFIX } from './json-tags.js';
import { encodeInstance } from './json-type-calls.js';
import type { JsonTypeRegistry } from './json-type-registry.js';

const MAX_DEPTH = 200;
const DOLLAR = 36;

type Registry = JsonTypeRegistry | undefined;

/**
 * The value itself when JSON can carry all of it, else a copy with tags.
 *
 * @throws CodecError that names the path of what cannot be carried
 */
export function toJson(value: unknown, registry: Registry): unknown {
  return isPlainJson(value, 0) ? value : tagged(value, registry, '$', 0);
}

/** Whether JSON carries all of it as it is. Most values are so, and need no paths for errors: half the price of the rest. */
function isPlainJson(value: unknown, depth: number): boolean {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return true;
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0);
  if (typeof value !== 'object' || depth > MAX_DEPTH) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === Array.prototype) {
    const list = value as unknown[];
    for (let index = 0; index < list.length; index++) if (!isPlainJson(list[index], depth + 1)) return false;
    return true;
  }
  if (prototype !== Object.prototype) return false;
  for (const key in value) {
    const part = (value as Record<string, unknown>)[key];
    if (key.charCodeAt(0) === DOLLAR || (part !== undefined && !isPlainJson(part, depth + 1))) return false;
  }
  return true;
}

function tagged(value: unknown, registry: Registry, path: string, depth: number): unknown {
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
      return value === null ? null : objectToJson(value, registry, path, depth);
    default:
      throw refusal(path, `a ${typeof value}`);
  }
}

function objectToJson(value: object, registry: Registry, path: string, depth: number): unknown {
  if (depth > MAX_DEPTH) throw refusal(path, `nested deeper than ${MAX_DEPTH} levels, or cyclic`);
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (registry !== undefined && prototype !== null && prototype !== Object.prototype && prototype !== Array.prototype) {
    const type = registry.of(prototype);
    if (type !== undefined) {
      const data = encodeInstance(type, value, path);
      return tag(TYPE_PREFIX + type.name, tagged(data, registry, path, depth + 1));
    }
    // Also what extends Map and the like by way of a registered class: it would come back as less than its base.
    if (registry.hasBaseOf(prototype)) throw refusalOfInstance(path, value);
  }
  if (Array.isArray(value)) return listToJson(value, registry, path, depth);
  if (isPlain(prototype)) return plainToJson(value as Record<string, unknown>, registry, path, depth);
  if (types.isDate(value)) return tag('date', Number.isNaN(value.getTime()) ? null : value.toISOString());
  if (types.isMap(value)) {
    const entries = [...value].map(([key, item], index) =>
      [key, item].map((part) => tagged(part, registry, `${path}[${index}]`, depth + 1)),
    );
    return tag('map', entries);
  }
  if (types.isSet(value)) return tag('set', listToJson([...value], registry, path, depth));
  if (Buffer.isBuffer(value)) return tag('buffer', value.toString('base64'));
  if (prototype === Uint8Array.prototype) return tag('bytes', Buffer.from(value as Uint8Array).toString('base64'));
  throw refusalOfInstance(path, value);
}

/** Also for objects of another realm: under Jest, what `fetch` and `structuredClone` return has an Object of its own. */
function isPlain(prototype: object | null): boolean {
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}

function listToJson(list: readonly unknown[], registry: Registry, path: string, depth: number): unknown[] {
  let copy: unknown[] | undefined;
  for (let index = 0; index < list.length; index++) {
    const item = list[index];
    const json = tagged(item, registry, `${path}[${index}]`, depth + 1);
    if (json !== item && !copy) copy = list.slice(0, index);
    copy?.push(json);
  }
  return copy ?? (list as unknown[]);
}

function plainToJson(object: Record<string, unknown>, registry: Registry, path: string, depth: number): unknown {
  let copy: Record<string, unknown> | undefined;
  let present = 0;
  let last = '';
  for (const key of Object.keys(object)) {
    const item = object[key];
    if (item === undefined) continue;
    present += 1;
    last = key;
    const json = tagged(item, registry, `${path}.${key}`, depth + 1);
    if (json === item) continue;
    copy ??= Object.fromEntries(Object.entries(object));
    define(copy, key, json);
  }
  return present === 1 && last.startsWith('$') ? tag(ESCAPED, copy ?? object) : (copy ?? object);
}

function refusalOfInstance(path: string, value: object): CodecError {
  return refusal(
    path,
    `an instance of ${value.constructor?.name || 'a class'}`,
    ', or give its class to createJsonCodec()',
  );
}

function refusal(path: string, what: string, otherFix = ''): CodecError {
  return new CodecError(
    `The value at ${path} is ${what}, which JSON cannot carry. Convert it to plain data first${otherFix}.`,
    path,
  );
}
