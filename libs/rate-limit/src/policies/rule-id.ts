const MOST = 32_767;

/** What stands for a policy in the state of a subject: a number from 1 to 32767, made from its name (FNV-1a). */
export function ruleId(kind: string, name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${kind === 'tokenBucket' ? 'gcra' : kind}:${name}`))
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return (hash % MOST) + 1;
}
