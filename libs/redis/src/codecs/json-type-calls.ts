import { types } from 'node:util';
import { CodecError } from '../redis.errors.js';
import type { JsonType } from './json-type.js';

/** @throws CodecError without what `encode` has thrown: its message may quote the value. */
export function encodeInstance(type: JsonType, instance: object, path: string): unknown {
  try {
    return type.encode(instance);
  } catch (error) {
    throw new CodecError(
      `The value at ${path} cannot be stored: encode() of the type "${type.name}" threw ${describe(error)}. ` +
        'Let it accept every instance of its class.',
      path,
    );
  }
}

/** @throws CodecError without what `decode` has thrown: its message may quote the stored value. */
export function decodeInstance(type: JsonType, data: unknown): unknown {
  try {
    return type.decode(data);
  } catch (error) {
    throw new CodecError(
      `The stored value cannot be read: decode() of the type "${type.name}" threw ${describe(error)}. ` +
        'Let it read what older versions wrote, or delete the stored value.',
      '$',
    );
  }
}

function describe(thrown: unknown): string {
  return types.isNativeError(thrown) ? thrown.constructor.name || 'an error' : `a ${typeof thrown}`;
}
