import { createHash } from 'node:crypto';
import type { Type } from '@nestjs/common';
import { CodecError, jsonCodec } from '@nuthatch/redis';
import type { MethodCall } from '@nuthatch/redis/internal';
import { CacheKeyError } from './cache.errors.js';
import type { CacheKey } from './cache-key.js';

const READABLE = 64;

/**
 * Makes the default keys of decorated methods for one application: class, method, arguments. The class is that of the
 * object, not the one that declares the method, because an inherited method computes with the fields of the subclass.
 */
export class MethodKeys {
  readonly #classes = new Map<string, object>();
  readonly #names = new WeakMap<object, string>();

  /** @throws CacheKeyError for arguments that have no stable text, and for two classes that cannot be told apart. */
  keyOf(call: MethodCall): CacheKey {
    const owner = call.target.constructor as Type;
    const level = levelOf(call.owner, owner);
    // A cached method may call the cached method that it overrides: one key for both would be a load that awaits itself.
    const method = level === 0 ? call.method : `${call.method}~${level}`;
    return [this.#className(owner, call.method), method, argumentsText(owner.name, call)];
  }

  /**
   * The name with a hash of the source, so that two classes of one name differ, and in the same way in every process. Two
   * with the same source, too, differ only in what surrounds them, which no other process could tell.
   */
  #className(owner: Type, method: string): string {
    const known = this.#names.get(owner);
    if (known !== undefined) return known;
    const name = `${owner.name}@${hash(owner.toString()).slice(0, 8)}`;
    if (this.#classes.has(name)) {
      throw new CacheKeyError(
        `Two classes named ${owner.name} with the same source use @Cacheable() on ${method}() without a key. Give "key" in at least one of them.`,
      );
    }
    this.#classes.set(name, owner);
    this.#names.set(owner, name);
    return name;
  }
}

/** How many classes up the one is that declares the method. */
function levelOf(declaring: Type, owner: Type): number {
  let level = 0;
  for (
    let type: unknown = owner;
    typeof type === 'function' && type !== declaring;
    type = Object.getPrototypeOf(type)
  ) {
    level += 1;
  }
  return level;
}

function argumentsText(className: string, { method, args }: MethodCall): string {
  if (args.length === 0) return '()';
  try {
    const text = args.map((argument) => canonical(jsonCodec.encode(argument))).join(',');
    return text.length <= READABLE ? text : hash(text);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    throw new CacheKeyError(
      `No key can be made of the arguments of ${className}.${method}(): ${error.message} Or give "key".`,
      {
        cause: error,
      },
    );
  }
}

/** JSON with the properties of each object in order: `{ a, b }` and `{ b, a }` are the same argument. */
function canonical(json: string): string {
  return json.includes('{') ? JSON.stringify(JSON.parse(json), inOrder) : json;
}

function inOrder(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 32);
}
