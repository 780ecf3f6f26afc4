import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { LockService } from '@nuthatch/lock';

const KEYS = 5;
const SETTLES_MS = 1_000;
const LOOKS = 6;

/** What a process has open: handles by their kind. */
export interface CycleReport {
  readonly before: Record<string, number>;
  readonly after: Record<string, number>;
  readonly heapGrownBytes: number;
}

/** Locks and releases so often, some at a time, of a few locks that therefore are waited for. */
export async function runCycles(locks: LockService, cycles: number, atATime: number): Promise<CycleReport> {
  const cycle = async (count: number): Promise<void> => {
    let left = count;
    const run = async (): Promise<void> => {
      while (left-- > 0) await locks.withLock(`cycle-${left % KEYS}`, () => undefined);
    };
    await Promise.all(Array.from({ length: atATime }, run));
  };
  // What is made once and kept.
  await cycle(1_000);
  await sleep(SETTLES_MS);
  const [before, heapBefore] = [openHandles(), heapUsed()];
  await cycle(cycles);
  let after = openHandles();
  // What was about to end may end.
  for (let looks = 0; looks < LOOKS && !isDeepStrictEqual(after, before); looks++) {
    await sleep(SETTLES_MS);
    after = openHandles();
  }
  return { before, after, heapGrownBytes: heapUsed() - heapBefore };
}

function openHandles(): Record<string, number> {
  const kinds: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) kinds[kind] = (kinds[kind] ?? 0) + 1;
  return kinds;
}

function heapUsed(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}
