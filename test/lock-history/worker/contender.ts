import { setTimeout as sleep } from 'node:timers/promises';
import type { AcquireOptions, Lock, LockService } from '@nuthatch/lock';
import { machineTime, type AttemptEvent } from '../history/events.js';
import { markOf } from '../history/history.js';
import type { Recorder } from '../history/recorder.js';
import type { SeededRandom } from '../seeded-random.js';
import type { FencedResource } from './fenced-resource.js';
import type { Ordeal } from './ordeal.js';
import type { SharedFile } from './shared-file.js';

// After being told that Redis is away; who comes back at once only makes noise.
const PAUSE_MS = 30;

export interface Surroundings {
  readonly name: string;
  readonly keys: readonly string[];
  readonly ttlMs: number;
  readonly fair: boolean;
  readonly locks: LockService;
  readonly recorder: Recorder;
  readonly ordeal: Ordeal;
  readonly files: ReadonlyMap<string, SharedFile>;
  readonly resource: FencedResource;
}

/** What contends: it locks, reads, sleeps, looks whether it still holds, writes, and gives back, by a plan of its seed. */
export class Contender {
  static #attempts = 0;
  static #grants = 0;
  #finishing = false;

  /** @param key what it mostly locks: a lock that is stuck must not keep all from all others */
  constructor(
    private readonly around: Surroundings,
    private readonly key: string,
    private readonly random: SeededRandom,
  ) {}

  /** How often any of this process was granted a lock. */
  static get grants(): number {
    return Contender.#grants;
  }

  async contend(): Promise<void> {
    while (!this.#finishing) {
      await this.#attempt();
      await sleep(this.random.between(0, 3));
    }
  }

  /** After what it is at. */
  finish(): void {
    this.#finishing = true;
  }

  async #attempt(): Promise<void> {
    const { keys: all, locks, recorder, ttlMs, fair } = this.around;
    const { random } = this;
    const attempt = ++Contender.#attempts;
    const how = random.chance(0.15) ? 'try' : random.chance(0.3) ? 'with' : 'acquire';
    const keys = random.chance(0.03) ? random.shuffle(all).slice(0, 2).sort() : [this.key];
    const waitMs = random.chance(0.1) ? Math.round(random.between(20, 400)) : 8_000;
    const key = keys.length === 1 ? keys[0]! : keys;
    const options: AcquireOptions = { wait: `${waitMs}ms`, fair, ...this.#signal() };
    recorder.note({ what: 'asked', attempt, how, keys, ttlMs, waitMs: how === 'try' ? 0 : waitMs });
    try {
      if (how === 'with') {
        await locks.withLock(key, (lock) => this.#hold(attempt, keys, lock), options);
        return;
      }
      const { wait: _, ...once } = options;
      const lock = how === 'acquire' ? await locks.acquire(key, options) : await locks.tryAcquire(key, once);
      if (!lock) return recorder.note({ what: 'refused', attempt, why: 'LOCK_BUSY' });
      try {
        await this.#hold(attempt, keys, lock);
      } finally {
        await this.#release(attempt, lock);
      }
    } catch (error) {
      const why = codeOf(error);
      recorder.note({ what: 'refused', attempt, why });
      if (why === 'LOCK_UNREACHABLE') await sleep(PAUSE_MS);
    }
  }

  /** Some lose their patience. */
  #signal(): { signal?: AbortSignal } {
    return this.random.chance(0.03) ? { signal: AbortSignal.timeout(Math.ceil(this.random.between(1, 60))) } : {};
  }

  async #hold(attempt: number, keys: readonly string[], lock: Lock): Promise<void> {
    const { name, recorder, ordeal, files, resource } = this.around;
    const note = (event: Noted<AttemptEvent>, at?: number): void =>
      recorder.note({ attempt, ...event } as AttemptEvent, at);
    Contender.#grants += 1;
    note({ what: 'granted', token: String(lock.token), validForMs: lock.validForMs() });
    lock.signal.addEventListener('abort', () => note({ what: 'aborted', why: codeOf(lock.signal.reason) }), {
      once: true,
    });
    const [key] = keys as readonly [string];
    // Who locks several writes to none of them: what one lock protects is enough to see whether it does.
    const mark = keys.length === 1 ? markOf({ process: name, attempt }) : undefined;
    const admit = async (): Promise<boolean> => {
      const sentAt = machineTime();
      const accepted = await resource.admit(key, lock.token, mark!);
      note({ what: 'fenced', accepted, sentAt });
      return accepted;
    };
    if (mark) note({ what: 'read', found: files.get(key)!.read() });
    const admitted = mark !== undefined && (await admit());
    ordeal.reach('holding');
    await sleep(this.#holdMs());
    const at = machineTime();
    const held = isHeld(lock);
    note({ what: 'checked', held }, at);
    if (mark && held) {
      ordeal.reach('writing');
      const found = files.get(key)!.read();
      files.get(key)!.write(mark);
      note({ what: 'wrote', found });
    }
    if (admitted) await admit();
    note({ what: 'left' });
  }

  async #release(attempt: number, lock: Lock): Promise<void> {
    const { recorder } = this.around;
    recorder.note({ what: 'releasing', attempt });
    const calls = this.random.chance(0.03) ? 2 : 1;
    for (let call = 0; call < calls; call++) {
      const outcome = await lock.release().catch(codeOf);
      recorder.note({ what: 'released', attempt, outcome });
    }
  }

  /** Mostly short; some so long that they have to be renewed. */
  #holdMs(): number {
    const { random } = this;
    if (random.chance(0.003)) return random.between(300, 1_500);
    return random.chance(0.05) ? random.between(5, 20) : random.between(0, 1.5);
  }
}

type Noted<E> = E extends AttemptEvent ? Omit<E, 'at' | 'attempt'> : never;

export function isHeld(lock: Lock): boolean {
  try {
    lock.assertHeld();
    return true;
  } catch {
    return false;
  }
}

export function codeOf(error: unknown): string {
  const { code, message } = error as Error & { code?: string };
  return code ?? message ?? String(error);
}
