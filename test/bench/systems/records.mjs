const RECORD_COUNT = 500;

export const KEYS = Array.from({ length: RECORD_COUNT }, (_, index) => `user:${index}:profile`);

/** Objects as an application would cache them, each of so many bytes as JSON. */
export function makeRecords(bytes) {
  return KEYS.map((_, id) => makeRecord(id, bytes));
}

function makeRecord(id, bytes) {
  const record = { id, email: `user${id}@example.com`, active: id % 2 === 0 };
  const fill = { note: '' };
  if (bytes >= 1_000) fill.items = Array.from({ length: Math.floor(bytes / 60) }, makeItem);
  const room = bytes - JSON.stringify({ ...record, ...fill }).length;
  return { ...record, ...fill, note: 'x'.repeat(Math.max(0, room)) };
}

function makeItem(_, index) {
  return { sku: `SKU-${1_000 + index}`, quantity: index % 5, price: 9.99 + index };
}
