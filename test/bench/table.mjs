const PLACES = { one: 'client and Redis share one core', two: 'two cores, one each', none: 'no Redis involved' };

/** The results of a scenario as text in columns. */
export function scenarioTable({ name, title, cores }, rows) {
  const withLoads = Object.values(rows).some(({ loads }) => loads !== undefined);
  const head = ['', 'ops/s', 'ratio', '[min..max]', 'client CPU us/op', 'Redis CPU us/op', 'commands/op'];
  const lines = [
    [...head, 'bytes in/op', 'bytes out/op', ...(withLoads ? ['loads/op'] : [])],
    ...Object.entries(rows).map(([contender, row]) => [
      ...cells(contender, row),
      ...(withLoads ? [fixed(row.loads)] : []),
    ]),
  ];
  return `${name}: ${title} (${PLACES[cores]})\n${aligned(lines)}`;
}

function cells(contender, row) {
  return [
    contender,
    Math.round(row.opsPerSecond).toLocaleString('en-US'),
    `${fixed(row.speed.median)}x`,
    `[${fixed(row.speed.least)}..${fixed(row.speed.most)}]`,
    fixed(row.clientCpuUs),
    fixed(row.redisCpuUs),
    commandsText(row.commands),
    fixed(row.bytesIn, 0),
    fixed(row.bytesOut, 0),
  ];
}

function commandsText(commands) {
  const total = Object.values(commands).reduce((sum, calls) => sum + calls, 0);
  return [fixed(total), Object.keys(commands).sort().join('+')].join(' ').trim();
}

function aligned(lines) {
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const pad = (cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]));
  return lines.map((line) => `  ${line.map(pad).join('  ')}`).join('\n');
}

function fixed(number, digits = 2) {
  return number.toFixed(digits);
}
