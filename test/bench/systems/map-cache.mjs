import { KEYS, makeRecords } from './records.mjs';

/** The least that a cache in the process can be, when each caller gets a copy of its own. */
export async function open({ scenario }) {
  const texts = new Map(makeRecords(scenario.bytes).map((record, index) => [KEYS[index], JSON.stringify(record)]));
  return {
    operations: {
      get: async (index) => JSON.parse(texts.get(KEYS[index % KEYS.length])),
    },
    close() {},
  };
}
