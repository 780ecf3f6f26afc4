// The process of one contender: `contender-process.mjs <area> <scenario> <contender> <url of Redis>`, driven by messages.
import { timeOperations } from './time-operations.mjs';

const ROUND_MS = 100;
const WARM_UP_MS = 500;
const MOST_OPERATIONS = 1_000_000;

const [areaName, scenarioName, contenderName, url] = process.argv.slice(2);
const { area } = await import(`./areas/${areaName}.mjs`);
const scenario = area.scenarios.find(({ name }) => name === scenarioName);
const { system, operation, ...options } = scenario.contenders.find(({ name }) => name === contenderName);
let opened;

const answers = {
  async open() {
    const { open } = await import(`./systems/${system}.mjs`);
    opened = await open({ url, scenario, ...options });
    return {};
  },

  async warmUp() {
    const startedAt = performance.now();
    let operations = scenario.concurrency;
    for (;;) {
      const { ns } = await round(operations);
      const wanted = Math.ceil((operations * ROUND_MS * 1e6) / ns);
      if (performance.now() - startedAt >= WARM_UP_MS || wanted > MOST_OPERATIONS) {
        return { operations: Math.min(Math.max(wanted, scenario.concurrency), MOST_OPERATIONS) };
      }
      operations = Math.min(wanted, operations * 4);
    }
  },

  round: ({ operations }) => round(operations),
};

async function round(operations) {
  const loadsBefore = opened.loads?.() ?? 0;
  const timed = await timeOperations(opened.operations[operation], scenario, operations);
  return { ...timed, ...(opened.loads && { loads: opened.loads() - loadsBefore }) };
}

process.on('message', async ({ ask, ...request }) => {
  try {
    process.send(await answers[ask](request));
  } catch (error) {
    process.send({ error: error.stack });
  }
});
process.on('disconnect', async () => {
  await opened?.close();
  process.exit();
});
