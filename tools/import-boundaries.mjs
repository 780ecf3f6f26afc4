// The three floors of the house: a lib imports from the floors below it only, through their public doors.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Each lib with its floor; a lib that is not listed may not be there. */
const FLOORS = { redis: 0, cache: 1, 'rate-limit': 1, lock: 1 };

const DOORS = { libs: /^@nuthatch\/[a-z-]+(\/internal)?$/, apps: /^@nuthatch\/[a-z-]+$/ };

/** What breaks a rule, one line each: `file imports X: why`. */
export function brokenBoundaries(root) {
  return ['libs', 'apps'].flatMap((area) =>
    readdirSync(path.join(root, area)).flatMap((name) => {
      if (area === 'libs' && FLOORS[name] === undefined)
        return [`libs/${name} has no floor in tools/import-boundaries.mjs`];
      const source = path.join(root, area, name, 'src');
      return sourceFiles(source).flatMap((file) => {
        const imports = [...readFileSync(file, 'utf8').matchAll(/\bfrom '([^']+)'|\bimport\('([^']+)'\)/g)];
        return imports.flatMap(([, fixed, dynamic]) => {
          const why = objection(area, name, source, file, fixed ?? dynamic);
          return why ? [`${path.relative(root, file)} imports ${fixed ?? dynamic}: ${why}`] : [];
        });
      });
    }),
  );
}

function objection(area, name, source, file, specifier) {
  if (specifier.startsWith('.')) {
    const target = path.resolve(path.dirname(file), specifier);
    return target.startsWith(source) ? undefined : 'leaves its package by a relative path';
  }
  if (!specifier.startsWith('@nuthatch/')) return undefined;
  if (!DOORS[area].test(specifier)) return 'goes past the public doors of a package';
  const other = specifier.split('/')[1];
  if (area === 'apps') return undefined;
  if (other === name) return 'imports its own package by name';
  return FLOORS[other] < FLOORS[name] ? undefined : 'is not on a floor below';
}

function sourceFiles(folder) {
  return readdirSync(folder, { recursive: true })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => path.join(folder, file));
}
