import { OptionsReader } from '../options-reader.js';
import { CodecOptionsError } from './codec-options.error.js';
import type { JsonType } from './json-type.js';

const NAME = /^[A-Za-z][\w.-]{0,63}$/;
const NAME_RULE = 'a letter, then letters, digits, ".", "_" and "-", at most 64 in all';

const CARRIED_ANYWAY: ReadonlySet<unknown> = new Set([Object, Array, Date, Map, Set, Buffer, Uint8Array]);

/** The classes that a JSON codec knows, by prototype for writing and by name for reading. */
export class JsonTypeRegistry {
  readonly #byPrototype = new Map<unknown, JsonType>();
  readonly #byName = new Map<string, JsonType>();

  /** @throws CodecOptionsError that lists every mistake at once. */
  constructor(options: { readonly types: readonly JsonType[] }) {
    const mistakes: string[] = [];
    const reader = new OptionsReader(options, 'options', mistakes);
    reader.ignore('types');
    reader.rejectUnknown();
    const types: unknown = options?.types;
    if (Array.isArray(types)) types.forEach((type: JsonType, index) => this.#add(type, `types[${index}]`, mistakes));
    else mistakes.push('options.types is no list. Give a list of what jsonType() returns.');
    if (mistakes.length > 0) throw new CodecOptionsError(mistakes);
  }

  named(name: string): JsonType | undefined {
    return this.#byName.get(name);
  }

  /** The type of the instances that have exactly this prototype. */
  of(prototype: object): JsonType | undefined {
    return this.#byPrototype.get(prototype);
  }

  /** Whether a class that `prototype` inherits from is registered. */
  hasBaseOf(prototype: object): boolean {
    for (let base = parentOf(prototype); base !== null; base = parentOf(base)) {
      if (this.#byPrototype.has(base)) return true;
    }
    return false;
  }

  #add(type: JsonType, path: string, mistakes: string[]): void {
    const reader = new OptionsReader(type, `options.${path}`, mistakes);
    const name = reader.matching('name', NAME, NAME_RULE, '');
    for (const known of ['class', 'encode', 'decode']) reader.ignore(known);
    reader.rejectUnknown();
    if (typeof type !== 'object' || type === null) return;
    if (name !== '' && this.#byName.has(name)) {
      mistakes.push(`options.${path}.name is "${name}", as that of another type. Give each type a name of its own.`);
    }
    const mistake = this.#mistakeOfClass(type.class);
    if (mistake !== undefined) mistakes.push(`options.${path}.class ${mistake}`);
    if (typeof type.encode !== 'function' || typeof type.decode !== 'function') {
      mistakes.push(`options.${path} has no encode() and decode(). Give functions to plain data and back.`);
    }
    this.#byName.set(name, type);
    this.#byPrototype.set((type.class as JsonType['class'] | undefined)?.prototype, type);
  }

  #mistakeOfClass(given: unknown): string | undefined {
    const prototype: unknown = typeof given === 'function' ? given.prototype : undefined;
    if (typeof prototype !== 'object' || prototype === null) return 'is no class. Give the class itself.';
    const name = (given as JsonType['class']).name || 'a class without a name';
    if (CARRIED_ANYWAY.has(given)) return `is ${name}, which the codec carries by itself. Leave it out.`;
    if (!this.#byPrototype.has(prototype)) return undefined;
    return `is ${name}, as that of another type. Give one type for each class.`;
  }
}

function parentOf(prototype: object): object | null {
  return Object.getPrototypeOf(prototype) as object | null;
}
