/**
 * Turns a value into text and back. What `decode(encode(value))` returns must be equal to `value` and of the same types;
 * a value for which that does not hold is refused by `encode` with a {@link CodecError} that names its path.
 */
export interface Codec {
  /** Written with each value, so that one codec never reads what another wrote. Letters and digits. */
  readonly name: string;
  encode(value: unknown): string;
  decode(text: string): unknown;
}
