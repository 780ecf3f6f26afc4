/**
 * Runs the operation `count` times, `concurrency` of them at any moment, and throws at the first wrong answer. Operations
 * are numbered on from `from`.
 */
export function timeOperations(operate, { concurrency, isRight, tight }, count, from = 0) {
  const end = from + count;
  if (tight) return timed(count, () => oneAfterAnother(operate, from, end));
  let next = from;
  const lane = async () => {
    while (next < end) {
      const index = next++;
      const answer = await operate(index);
      if (!isRight(answer, index)) throw new Error(`operation ${index} was answered by ${JSON.stringify(answer)}`);
    }
  };
  return timed(count, () => Promise.all(Array.from({ length: Math.min(concurrency, count) }, lane)));
}

/** With as little around the operation as there can be, for what is done in nanoseconds. */
async function oneAfterAnother(operate, from, end) {
  for (let index = from; index < end; index++) {
    if ((await operate(index))?.id === undefined) throw new Error(`operation ${index} found nothing`);
  }
}

async function timed(operations, run) {
  const cpuBefore = process.cpuUsage();
  const startedAt = process.hrtime.bigint();
  await run();
  const ns = Number(process.hrtime.bigint() - startedAt);
  const { user, system } = process.cpuUsage(cpuBefore);
  return { operations, ns, cpuUs: user + system };
}
