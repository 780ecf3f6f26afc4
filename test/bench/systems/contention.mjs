import { setTimeout as sleep } from 'node:timers/promises';

/** Several callers in one process, which ask for the same key again and again, and the sections that they were granted. */
export function contentionOn(acquire, { callers, sections, holdMs }, key) {
  let noted = [];
  const call = async (_, index) => {
    const caller = `${process.pid}:${index}`;
    for (let left = sections; left > 0; left--) {
      const askedAt = now();
      const hold = await acquire(key);
      const grantedAt = now();
      await sleep(holdMs);
      const releasedAt = now();
      const outcome = await hold.release();
      if (outcome !== 'released')
        throw new Error(`A lock that was held for ${releasedAt - grantedAt} ms is ${outcome}.`);
      noted.push({ caller, askedAt, grantedAt, releasedAt, token: numberOf(hold.token), refusals: hold.refusals ?? 0 });
    }
  };
  return {
    operation: async () => {
      noted = [];
      await Promise.all(Array.from({ length: callers }, call));
      return noted.length;
    },
    notes: () => noted,
  };
}

/** In milliseconds, by a clock that all processes of the machine share. */
function now() {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Notes are told to another process, which bigints cannot be. */
function numberOf(token) {
  return token === undefined ? undefined : Number(token);
}
