// The process of one contender: `contender-process.mjs <area> <scenario> <contender> <url of Redis> [<folder of the peers>]`,
// driven by messages.
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { timeOperations } from './time-operations.mjs';

const ROUND_MS = 100;
const WARM_UP_MS = 2_000;
const MOST_OPERATIONS = 2_000_000;
const CHECKED = 1_000;

const [areaName, scenarioName, contenderName, url, peers] = process.argv.slice(2);
const { area } = await import(`./areas/${areaName}.mjs`);
const scenario = area.scenarios.find(({ name }) => name === scenarioName);
const { system, operation, ...options } = scenario.contenders.find(({ name }) => name === contenderName);
let opened;
/** Rounds go on where the last one ended, so that all entries get their turn. */
let next = 0;

const answers = {
  async open() {
    const { open } = await import(`./systems/${system}.mjs`);
    opened = await open({ url, name: contenderName, scenario, peers, ...options });
    return {};
  },

  async warmUp() {
    if (scenario.operationsPerRound) return { operations: scenario.operationsPerRound };
    const startedAt = performance.now();
    let operations = scenario.concurrency;
    for (;;) {
      const { ns } = await round(operations);
      const wanted = Math.ceil((operations * ROUND_MS * 1e6) / ns);
      if (performance.now() - startedAt >= WARM_UP_MS || wanted > MOST_OPERATIONS) {
        return { operations: Math.min(Math.max(wanted, scenario.concurrency), MOST_OPERATIONS) };
      }
      operations = Math.min(wanted, operations * 4);
      // What resolves without the event loop would keep it from turning for seconds, as no application does.
      await nextTurn();
    }
  },

  async round({ operations, number, at }) {
    opened.beforeRound?.(number);
    while (Date.now() < at) await sleep(1);
    return round(operations);
  },
};

async function round(operations) {
  const operate = opened.operations[operation];
  // What is too fast to be checked while it is timed.
  if (scenario.tight) await timeOperations(operate, { ...scenario, tight: false }, CHECKED);
  const before = opened.loads?.();
  const timed = await timeOperations(operate, scenario, operations, next);
  next += operations;
  const notes = opened.notes?.();
  if (!before) return { ...timed, notes };
  const { count, ms } = opened.loads();
  return { ...timed, notes, loads: count - before.count, loadMs: ms - before.ms };
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
