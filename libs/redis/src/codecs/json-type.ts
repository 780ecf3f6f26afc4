/** A class whose instances the JSON codec carries. Made by {@link jsonType}, which infers `T` and `Data`. */
export interface JsonType<T = unknown, Data = unknown> {
  /**
   * Stands in the stored text, as `{"$type:<name>": ...}`, so it must stay when the class is renamed. A letter, then at
   * most 63 letters, digits, ".", "_" and "-".
   */
  readonly name: string;
  /** Instances of exactly this class; a subclass is another type. Its constructor may be private. */
  readonly class: { readonly name: string; readonly prototype: T };
  /** What to store of an instance: anything that the codec carries, also dates or instances of other types. */
  encode(value: T): Data;
  /** Makes a new instance of what `encode` has returned, perhaps in an older version of the program. */
  decode(data: Data): T;
}

/**
 * Describes a class for {@link createJsonCodec}.
 *
 * @example
 * const moneyType = jsonType({
 *   name: 'money',
 *   class: Money,
 *   encode: (money) => ({ cents: money.cents, currency: money.currency }),
 *   decode: ({ cents, currency }) => new Money(cents, currency),
 * });
 */
export function jsonType<T, Data>(type: JsonType<T, Data>): JsonType<T, Data> {
  return type;
}
