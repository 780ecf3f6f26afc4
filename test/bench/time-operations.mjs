/** Runs the operation `count` times, `concurrency` of them at any moment, and throws at the first wrong answer. */
export async function timeOperations(operate, { concurrency, isRight }, count) {
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const index = next++;
      const answer = await operate(index);
      if (!isRight(answer, index)) throw new Error(`operation ${index} was answered by ${JSON.stringify(answer)}`);
    }
  };
  const cpuBefore = process.cpuUsage();
  const startedAt = process.hrtime.bigint();
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, lane));
  const ns = Number(process.hrtime.bigint() - startedAt);
  const { user, system } = process.cpuUsage(cpuBefore);
  return { operations: count, ns, cpuUs: user + system };
}
