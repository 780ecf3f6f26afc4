import { RedisScript, type ServerConnection } from '@nuthatch/redis/internal';
import type { Counted } from './space-saving.js';
import { KEPT, WINDOW_MS, type TopStore } from './top-store.js';

// Nobody waits for it but a process that ends.
const TIMEOUT_MS = 1_000;

/** What all processes have counted, in two sorted sets for each policy and window. */
export class RedisTopStore implements TopStore {
  readonly #add = RedisScript.load(new URL('./add-top.lua', import.meta.url), { keys: 4 });
  readonly #read = RedisScript.load(new URL('./read-top.lua', import.meta.url), { keys: 4 });

  /** @param root begins every key */
  constructor(
    private readonly connection: ServerConnection,
    private readonly root: string,
  ) {}

  async add(policy: string, counted: readonly Counted[]): Promise<void> {
    const args = counted.flatMap(({ subject, taken, denied }) => [subject, taken, denied]);
    await this.connection.run(this.#add, this.#keys(policy), [WINDOW_MS, KEPT, ...args], { timeoutMs: TIMEOUT_MS });
  }

  async read(policy: string): Promise<readonly Counted[]> {
    const reply = await this.connection.run(this.#read, this.#keys(policy), [], { idempotent: true });
    const scores = (reply as string[][]).map(scoresOf);
    return [0, 1].flatMap((window) =>
      [...scores[window]!].map(([subject, all]) => {
        const denied = scores[window + 2]!.get(subject) ?? 0;
        return { subject, taken: Math.max(0, all - denied), denied };
      }),
    );
  }

  #keys(policy: string): readonly string[] {
    const base = `${this.root}top:{${policy}}`;
    return [`${base}:0`, `${base}:1`, `${base}:denied:0`, `${base}:denied:1`];
  }
}

function scoresOf(flat: readonly string[]): Map<string, number> {
  const scores = new Map<string, number>();
  for (let index = 0; index < flat.length; index += 2) scores.set(flat[index]!, Number(flat[index + 1]));
  return scores;
}
