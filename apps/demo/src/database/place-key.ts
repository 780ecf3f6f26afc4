/** The form in which place names are compared: no accents, lower case. `São Paulo` and `sao paulo` are one place. */
export function placeKey(name: string): string {
  return name.normalize('NFD').replace(/\p{M}/gu, '').trim().toLowerCase();
}
