const BITS = 7;
const MASK = 127;

/** An operation as four characters, which take four bytes in UTF-8, too. */
export function operationMark(operation: number): string {
  return String.fromCharCode(
    (operation >>> (3 * BITS)) & MASK,
    (operation >>> (2 * BITS)) & MASK,
    (operation >>> BITS) & MASK,
    operation & MASK,
  );
}
