const RECORD_COUNT = 1_000;
/** So that all keys are of one length. */
export const FIRST_ID = 1_000_000;
const LONGEST_RING = 1 << 20;

/**
 * The keys, which all begin with `prefix`, the values, and the order in which they are asked for, of a scenario: the first `wanted` of
 * them, if the others only lie there.
 */
export function dataOf({ bytes, entries = RECORD_COUNT, wanted = entries }, prefix = '') {
  const keys = Array.from({ length: entries }, (_, id) => prefix + keyOf(id));
  const order = orderOf(wanted);
  return {
    keys,
    records: keys.map((_, id) => makeRecord(id, bytes)),
    /** The keys in the order in which they are asked for: at `index & mask` for the index of an operation. */
    ring: Array.from(order, (id) => keys[id]),
    order,
    mask: order.length - 1,
  };
}

export function keyOf(id) {
  return `user:profile:${FIRST_ID + id}`;
}

/** Whether `answer` is the record that the operation asked for. */
export function isRecord(scenario) {
  let order;
  return (answer, index) => {
    order ??= orderOf(scenario.wanted ?? scenario.entries ?? RECORD_COUNT);
    return answer?.id === order[index & (order.length - 1)];
  };
}

/** Numbers of entries at random, the same in every process; as many as a power of two, so that `&` cuts an index to size. */
function orderOf(wanted) {
  let length = 4_096;
  while (length < wanted && length < LONGEST_RING) length *= 2;
  let state = 42;
  return Uint32Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 4_294_967_296) * wanted);
  });
}

/** An object as an application would cache it, of so many bytes as JSON. */
export function makeRecord(id, bytes) {
  const record = { id, email: `user${id}@example.com`, active: id % 2 === 0 };
  const fill = { note: '' };
  if (bytes >= 1_000) fill.items = Array.from({ length: Math.floor(bytes / 60) }, makeItem);
  const room = bytes - JSON.stringify({ ...record, ...fill }).length;
  return { ...record, ...fill, note: 'x'.repeat(Math.max(0, room)) };
}

function makeItem(_, index) {
  return { sku: `SKU-${1_000 + index}`, quantity: index % 5, price: 9.99 + index };
}

/** The two tags of a record. */
export function tagsOf(id) {
  return [`tenant:${id % 100}`, `type:${id % 10}`];
}

const STORED_AT_ONCE = 32;

/**
 * Stores one record after the other, some at a time. A thousand at once would all outlive a garbage collection, from which
 * V8 learns to put the objects of that code into the old generation for good: everything after it would be slower.
 */
export async function storeAll(keys, store) {
  for (let from = 0; from < keys.length; from += STORED_AT_ONCE) {
    await Promise.all(keys.slice(from, from + STORED_AT_ONCE).map((key, index) => store(key, from + index)));
  }
}
