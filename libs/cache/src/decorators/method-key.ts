import { createHash } from 'node:crypto';
import type { Type } from '@nestjs/common';
import { CodecError, jsonCodec } from '@nuthatch/redis';
import type { MethodCall } from '@nuthatch/redis/internal';
import { CacheKeyError } from '../cache.errors.js';
import type { CacheKey } from '../keys/cache-key.js';

const READABLE = 64;
const NO_ARGUMENTS = '()';
/** Text of which nothing needs escaping, neither in JSON nor in a key. */
const PLAIN = /^[\w$(),./@~-]*$/;

/** What the keys of one method of one class begin with. */
interface KeyBeginning {
  readonly segments: readonly [className: string, method: string];
  /** The same as text, if none of it needs escaping. */
  readonly text: string | undefined;
}

/**
 * Makes the default keys of decorated methods for one application: class, method, arguments. The class is that of the
 * object, not the one that declares the method, because an inherited method computes with the fields of the subclass.
 */
export class MethodKeys {
  readonly #classes = new Map<string, object>();
  readonly #beginnings = new WeakMap<object, Map<string, KeyBeginning>>();

  /** @throws CacheKeyError for arguments that have no stable text, and for two classes that cannot be told apart. */
  keyOf(call: MethodCall): CacheKey {
    const owner = call.target.constructor as Type;
    // A cached method may call the cached method that it overrides: one key for both would be a load that awaits itself.
    const method = owner === call.owner ? call.method : `${call.method}~${levelOf(call.owner, owner)}`;
    const beginning = this.#beginnings.get(owner)?.get(method) ?? this.#begin(owner, method, call.method);
    // The cache finds a text as it stands; the segments of a list it has to put together first.
    const text = beginning.text === undefined ? undefined : plainText(call.args);
    return text === undefined ? [...beginning.segments, argumentsText(owner.name, call)] : beginning.text + text;
  }

  #begin(owner: Type, method: string, name: string): KeyBeginning {
    let ofClass = this.#beginnings.get(owner);
    const className = ofClass?.values().next().value?.segments[0] ?? this.#className(owner, name);
    if (!ofClass) this.#beginnings.set(owner, (ofClass = new Map<string, KeyBeginning>()));
    const isPlain = PLAIN.test(className) && PLAIN.test(method);
    const beginning = { segments: [className, method] as const, text: isPlain ? `${className}:${method}:` : undefined };
    ofClass.set(method, beginning);
    return beginning;
  }

  /**
   * The name with a hash of the source, so that two classes of one name differ, and in the same way in every process. Two
   * with the same source, too, differ only in what surrounds them, which no other process could tell.
   */
  #className(owner: Type, method: string): string {
    const name = `${owner.name}@${hash(owner.toString()).slice(0, 8)}`;
    if (this.#classes.has(name)) {
      throw new CacheKeyError(
        `Two classes named ${owner.name} with the same source use @Cacheable() on ${method}() without a key. Give "key" in at least one of them.`,
      );
    }
    this.#classes.set(name, owner);
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

/** The same as {@link argumentsText} for the arguments that most methods have, in a tenth of the time; else undefined. */
function plainText(args: readonly unknown[]): string | undefined {
  if (args.length === 0) return NO_ARGUMENTS;
  let text = '';
  for (let index = 0; index < args.length; index++) {
    const argument = args[index];
    if (index > 0) text += ',';
    if (typeof argument === 'number' && Number.isSafeInteger(argument) && !Object.is(argument, -0)) text += argument;
    else if (typeof argument === 'string' && PLAIN.test(argument)) text += `"${argument}"`;
    else return undefined;
  }
  return text.length <= READABLE ? text : undefined;
}

function argumentsText(className: string, { method, args }: MethodCall): string {
  if (args.length === 0) return NO_ARGUMENTS;
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
