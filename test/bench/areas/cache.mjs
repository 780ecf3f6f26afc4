import { targetLines } from '../target.mjs';
import { defineArea } from './area.mjs';
import { local } from './cache/local.mjs';
import { shared } from './cache/shared.mjs';
import { sizes } from './cache/sizes.mjs';
import { stampedes } from './cache/stampede.mjs';

const PARTS = [local, shared, stampedes, sizes];

export const area = defineArea({
  name: 'cache',
  scenarios: PARTS.flatMap(({ scenarios }) => scenarios),
  conclude: (results) => [
    ...PARTS.flatMap(({ targets }) => targetLines(targets, results)),
    ...PARTS.flatMap(({ conclude }) => conclude?.(results) ?? []),
  ],
});
