import clusterKeySlot from 'cluster-key-slot';

/** The hash slot of a key, 0 to 16383: CRC16 of its hash tag, or of all of it. */
export function slotOf(key: string): number {
  return clusterKeySlot(key);
}

/** Puts keys together that one command may name on a Cluster. */
export function groupBySlot(keys: readonly string[]): string[][] {
  const groups = new Map<number, string[]>();
  for (const key of keys) {
    const slot = slotOf(key);
    const group = groups.get(slot);
    if (group) group.push(key);
    else groups.set(slot, [key]);
  }
  return [...groups.values()];
}
