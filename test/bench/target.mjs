/** One line that says whether a stated target was met. A target of a scenario that did not run says nothing. */
export function targetLines(targets, results) {
  return targets.flatMap(({ scenario, contender, ...target }) => {
    const row = results[scenario]?.[contender];
    return row ? [`target: ${verdict(target, row)}  (${scenario}, ${contender})`] : [];
  });
}

function verdict({ what, of, atLeast, atMost, unit }, row) {
  const value = of(row);
  const met = atLeast === undefined ? value <= atMost : value >= atLeast;
  const bound = atLeast === undefined ? `<= ${atMost}${unit}` : `>= ${atLeast}${unit}`;
  return `${bound} ${what}: ${value.toFixed(2)}${unit}  ${met ? 'met' : 'NOT MET'}`;
}
