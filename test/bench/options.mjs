import { parseArgs } from 'node:util';
import { peersIn } from './peers.mjs';

const AREAS = ['redis', 'cache', 'rate-limit', 'lock'];
const FEWEST_ROUNDS = 7;
const QUICK_ROUNDS = 3;
const USAGE = `Usage: npm run bench -- <${AREAS.join('|')}> [--rounds N] [--quick] [--only scenario,scenario] [--peers folder] [--json file]`;

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
    options: {
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      peers: { type: 'string', default: process.env.NUTHATCH_BENCH_PEERS },
      json: { type: 'string' },
    },
  });
  const [name, ...others] = positionals;
  if (!AREAS.includes(name) || others.length > 0) throw new Error(`"${positionals.join(' ')}" is not one area.`);
  const { quick, json } = values;
  const rounds = Number(values.rounds ?? (quick ? QUICK_ROUNDS : 11));
  if (!Number.isInteger(rounds) || rounds < (quick ? 1 : FEWEST_ROUNDS) || rounds > 1_000) {
    throw new Error(`--rounds is ${values.rounds}. Give a number from ${FEWEST_ROUNDS} to 1000, or less with --quick.`);
  }
  const { area } = await import(`./areas/${name}.mjs`);
  const peers = peersIn(values.peers, peersOf(area));
  return { area, scenarios: chosen(area, values.only, quick, peers), rounds, quick, peers, json };
}

function peersOf({ scenarios }) {
  const peers = scenarios.flatMap(({ contenders }) => contenders.flatMap(({ peer }) => peer ?? []));
  return [...new Set(peers)];
}

function chosen({ scenarios }, only, quick, peers) {
  const known = scenarios.map(({ name }) => name);
  const names = only?.split(',') ?? scenarios.filter(({ long }) => !(quick && long)).map(({ name }) => name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`There is no scenario "${unknown[0]}". There are: ${known.join(', ')}.`);
  return scenarios
    .filter(({ name }) => names.includes(name))
    .map((scenario) => ({ ...scenario, contenders: scenario.contenders.filter(isHere) }));

  function isHere({ peer }) {
    return peer === undefined || peers.names.includes(peer);
  }
}
