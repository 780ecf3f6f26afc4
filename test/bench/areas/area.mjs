/**
 * A part of the suite with its scenarios. The first contender of each scenario is the baseline; it runs once more at the
 * end as if it were another, and what its ratio is off 1 is the noise of the table. Not so where `timed: false`, for
 * scenarios that show something else than speed.
 */
export function defineArea({ name, scenarios, conclude }) {
  return { name, scenarios: scenarios.map(withControl), conclude };
}

function withControl({ contenders, ...scenario }) {
  const [baseline] = contenders;
  if (scenario.timed === false) return { ...scenario, baseline: baseline.name, contenders };
  const control = { ...baseline, name: `${baseline.name} (again)` };
  return { ...scenario, baseline: baseline.name, contenders: [...contenders, control] };
}
