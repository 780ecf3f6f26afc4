import { CodecError } from '../redis.errors.js';
import type { Codec } from './codec.js';
import { JsonReader } from './json-reader.js';
import type { JsonType } from './json-type.js';
import { JsonTypeRegistry } from './json-type-registry.js';
import { toJson } from './json-writer.js';

/**
 * JSON that any language can read, with tags such as `{"$date": "2026-01-01T00:00:00.000Z"}` for what JSON lacks: Date,
 * bigint, Map, Set, Buffer, Uint8Array, NaN, the infinities, -0, and undefined in a list. Properties that are undefined
 * are left out, as JSON does. Functions, symbols, cycles and instances of other classes are refused; what extends Array,
 * Map, Set or Date comes back as the plain type.
 */
export const jsonCodec: Codec = jsonCodecFor(undefined);

export interface JsonCodecOptions {
  /** The classes whose instances are carried, each described by {@link jsonType}. */
  readonly types: readonly JsonType[];
}

/**
 * The {@link jsonCodec}, which also carries instances of the classes in `types`, as `{"$type:<name>": <encoded>}`. An
 * instance of a subclass is refused unless that is registered, too. What holds no such instance is the same text from
 * both, so each reads it from the other.
 *
 * @throws CodecOptionsError that lists every mistake at once.
 */
export function createJsonCodec(options: JsonCodecOptions): Codec {
  return jsonCodecFor(new JsonTypeRegistry(options));
}

function jsonCodecFor(registry: JsonTypeRegistry | undefined): Codec {
  const reader = new JsonReader(registry);
  return {
    name: 'json',

    encode(value) {
      return JSON.stringify(toJson(value, registry));
    },

    decode(text) {
      try {
        const value: unknown = JSON.parse(text);
        // A search for one character is many times as fast, and most texts have no `$` at all.
        return text.includes('$') && text.includes('"$') ? reader.revive(value) : value;
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
}
