const PLACES = {
  one: 'client and Redis share one core',
  two: 'two cores, one each',
  all: 'not tied to cores',
  none: 'no Redis involved',
};

/** The results of a scenario as text in columns. */
export function scenarioTable(scenario, rows) {
  const { name, title, cores } = scenario;
  const columns = columnsOf(scenario, rows);
  const lines = [
    columns.map(([head]) => head),
    ...Object.entries(rows).map(([contender, row]) => columns.map(([, cell]) => cell(row, contender))),
  ];
  return `${name}: ${title} (${PLACES[cores]})\n${aligned(lines)}`;
}

function columnsOf({ timed, flushes, splitsCommands, columns = [] }, rows) {
  if (timed === false) return [NAME_COLUMN, ...columns];
  const withLoads = Object.values(rows).some(({ loads }) => loads !== undefined);
  return [
    NAME_COLUMN,
    ...COLUMNS,
    ...(withLoads ? LOAD_COLUMNS : []),
    ...(flushes ? MEMORY_COLUMNS : []),
    ...(splitsCommands ? SENT_COLUMNS : []),
    ...columns,
  ];
}

const NAME_COLUMN = ['', (_, contender) => contender];
const COLUMNS = [
  ['ops/s', ({ opsPerSecond }) => Math.round(opsPerSecond).toLocaleString('en-US')],
  ['us/op', ({ opsPerSecond }) => fixed(1e6 / opsPerSecond)],
  ['ratio', ({ speed }) => `${ratio(speed.median)}x`],
  ['[min..max]', ({ speed }) => `[${ratio(speed.least)}..${ratio(speed.most)}]`],
  ['client CPU us/op', ({ clientCpuUs }) => fixed(clientCpuUs)],
  ['Redis CPU us/op', ({ redisCpuUs }) => fixed(redisCpuUs)],
  ['commands/op', ({ commands }) => commandsText(commands)],
  ['bytes in/op', ({ bytesIn }) => fixed(bytesIn, 0)],
  ['bytes out/op', ({ bytesOut }) => fixed(bytesOut, 0)],
];
const LOAD_COLUMNS = [
  ['loads/op', ({ loads }) => fixed(loads)],
  ['ms beside the load', ({ besideMs }) => fixed(besideMs)],
];
const SENT_COLUMNS = [['of them sent', ({ sent }) => commandsText(sent)]];
const MEMORY_COLUMNS = [['Redis memory bytes/op', ({ memoryBytes }) => fixed(memoryBytes, 0)]];

function commandsText(commands) {
  const total = Object.values(commands).reduce((sum, calls) => sum + calls, 0);
  return [fixed(total), Object.keys(commands).sort().join('+')].join(' ').trim();
}

function aligned(lines) {
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const pad = (cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]));
  return lines.map((line) => `  ${line.map(pad).join('  ')}`).join('\n');
}

/** What is slow has as many digits as what is fast. */
function ratio(number) {
  return number < 0.1 ? number.toPrecision(2) : fixed(number);
}

function fixed(number, digits = 2) {
  return number.toFixed(digits);
}
