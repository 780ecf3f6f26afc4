import { ratioOf } from './summary.mjs';

/**
 * One line that says whether a stated target was met. A target of a scenario that did not run says nothing.
 *
 * A target is a `scenario`, a `contender` of it, the number it is about (`of` its row and that `against` which it is held, or
 * the ratio of a `field` of both in the same round), and the bound: `atLeast` or `atMost`.
 */
export function targetLines(targets, results) {
  return targets.flatMap(({ scenario, contender, ...target }) => {
    const rows = results[scenario];
    const row = rows?.[contender];
    if (!row) return [];
    const { against } = target;
    const verdict = against && !rows[against] ? `${boundOf(target)}: not measured` : judged(target, row, rows);
    return [`target: ${verdict}  (${scenario}, ${contender})`];
  });
}

function judged({ of, field, against, ...target }, row, rows) {
  const value = of ? of(row, rows[against]) : ratioOf(field, row, rows[against]);
  const { atLeast, atMost, unit } = target;
  const met = atLeast === undefined ? value <= atMost : value >= atLeast;
  return `${boundOf(target)}: ${value.toFixed(2)}${unit}  ${met ? 'met' : 'NOT MET'}`;
}

function boundOf({ what, atLeast, atMost, unit }) {
  return atLeast === undefined ? `<= ${atMost}${unit} ${what}` : `>= ${atLeast}${unit} ${what}`;
}
