import { dataOf } from './records.mjs';

/** The least that a cache in the process can be: shared values that never end, or texts when each caller gets a copy. */
export async function open({ scenario }) {
  const { keys, records, ring, mask } = dataOf(scenario);
  const values = new Map(records.map((record, id) => [keys[id], record]));
  const get = async (key) => values.get(key);
  const texts = new Map(scenario.copies ? records.map((record, id) => [keys[id], JSON.stringify(record)]) : []);
  const parse = async (key) => JSON.parse(texts.get(key));
  return {
    operations: {
      get: (index) => get(ring[index & mask]),
      parse: (index) => parse(ring[index & mask]),
    },
    close() {},
  };
}
