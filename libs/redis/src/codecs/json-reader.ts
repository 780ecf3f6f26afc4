import { CodecError } from '../redis.errors.js';
import { define, ESCAPED, REVIVERS, TYPE_PREFIX, type Tagged } from './json-tags.js';
import { decodeInstance } from './json-type-calls.js';
import type { JsonTypeRegistry } from './json-type-registry.js';

/** Puts what stands for a tag in its place, in what JSON.parse() has returned. */
export class JsonReader {
  readonly #registry: JsonTypeRegistry | undefined;

  constructor(registry: JsonTypeRegistry | undefined) {
    this.#registry = registry;
  }

  /** @throws CodecError for an unknown tag, or an error of any kind for a wrong content */
  readonly revive = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map(this.revive);
    const [only, ...others] = Object.keys(value);
    if (only?.startsWith('$') && others.length === 0) return this.#reviveTag(only.slice(1), value as Tagged);
    return this.#reviveProperties(value as Record<string, unknown>);
  };

  #reviveTag(name: string, tagged: Tagged): unknown {
    const content = tagged[`$${name}`];
    if (name === ESCAPED) return this.#reviveProperties(content as Record<string, unknown>);
    const reviver = REVIVERS[name];
    if (reviver) return reviver(content, this.revive);
    const type = name.startsWith(TYPE_PREFIX) ? this.#registry?.named(name.slice(TYPE_PREFIX.length)) : undefined;
    if (type) return decodeInstance(type, this.revive(content));
    throw unknownTag(name);
  }

  #reviveProperties(object: Record<string, unknown>): Record<string, unknown> {
    for (const key of Object.keys(object)) define(object, key, this.revive(object[key]));
    return object;
  }
}

function unknownTag(name: string): CodecError {
  const [most, fix] = name.startsWith(TYPE_PREFIX) ? [70, ' Give its class to createJsonCodec().'] : [20, ''];
  return new CodecError(`The stored value has the unknown tag "$${name.slice(0, most)}".${fix}`, '$');
}
