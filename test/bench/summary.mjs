/** Medians over the rounds for each contender, and its ratios to the baseline within the same round. */
export function summarize(samples, baseline) {
  return Object.fromEntries(
    Object.entries(samples).map(([name, rounds]) => [name, row(rounds, samples[baseline] ?? rounds)]),
  );
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** How `field` of one row compares with that of another in the same round. */
export function ratioOf(field, row, other) {
  return median(row.rounds.map((sample, index) => sample[field] / other.rounds[index][field]));
}

function row(rounds, baseline) {
  const of = (field) => median(rounds.map((sample) => sample[field]));
  const against = (field) => rounds.map((sample, index) => sample[field] / baseline[index][field]);
  const speeds = against('ns').map((times) => 1 / times);
  return {
    opsPerSecond: 1e9 / of('ns'),
    speed: { median: median(speeds), least: Math.min(...speeds), most: Math.max(...speeds) },
    clientCpuUs: of('clientCpuUs'),
    clientCpuRatio: median(against('clientCpuUs')),
    redisCpuUs: of('redisCpuUs'),
    redisCpuRatio: median(against('redisCpuUs')),
    scriptUs: of('scriptUs'),
    bytesIn: of('bytesIn'),
    bytesOut: of('bytesOut'),
    memoryBytes: of('memoryBytes'),
    commands: countsOf(rounds, 'commands'),
    ...(rounds[0].sent !== undefined && { sent: countsOf(rounds, 'sent') }),
    ...(rounds[0].figures !== undefined && { figures: figuresOf(rounds) }),
    ...(rounds[0].loads !== undefined && { loads: of('loads'), besideMs: of('besideMs') }),
    rounds,
  };
}

/** Without the odd command of a connection's own, such as one PING in many thousand operations. */
function countsOf(rounds, field) {
  const names = [...new Set(rounds.flatMap((sample) => Object.keys(sample[field])))];
  const medians = names.map((name) => [name, median(rounds.map((sample) => sample[field][name] ?? 0))]);
  return Object.fromEntries(medians.filter(([, calls]) => calls >= 0.005));
}

function figuresOf(rounds) {
  const names = Object.keys(rounds[0].figures);
  return Object.fromEntries(names.map((name) => [name, median(rounds.map(({ figures }) => figures[name]))]));
}
