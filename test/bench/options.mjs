import { parseArgs } from 'node:util';

const AREAS = ['redis', 'cache'];
const FEWEST_ROUNDS = 7;
const USAGE = `Usage: npm run bench -- <${AREAS.join('|')}> [--rounds N] [--only scenario,scenario] [--json file]`;

/** Reads the command line, and ends the process with what is wrong with it. */
export async function readOptions(args) {
  try {
    return await parse(args);
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`);
    process.exit(2);
  }
}

async function parse(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { rounds: { type: 'string', default: '11' }, only: { type: 'string' }, json: { type: 'string' } },
  });
  const [name, ...others] = positionals;
  if (!AREAS.includes(name) || others.length > 0) throw new Error(`"${positionals.join(' ')}" is not one area.`);
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < FEWEST_ROUNDS || rounds > 1_000) {
    throw new Error(`--rounds is ${values.rounds}. Give a number from ${FEWEST_ROUNDS} to 1000.`);
  }
  const { area } = await import(`./areas/${name}.mjs`);
  return { area, scenarios: chosen(area, values.only), rounds, json: values.json };
}

function chosen({ scenarios }, only) {
  if (only === undefined) return scenarios;
  const names = only.split(',');
  const known = scenarios.map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`There is no scenario "${unknown[0]}". There are: ${known.join(', ')}.`);
  return scenarios.filter(({ name }) => names.includes(name));
}
