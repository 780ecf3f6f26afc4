import type { RedisTrouble } from '../outage/redis-trouble.js';
import type { EntryReader, Found } from '../shared/entry-reader.js';
import type { LoadRequest } from './load-runner.js';
import type { Waiter, WakeUps } from './wake-ups.js';

/** What a wait ends with: what stands there then, or undefined when that is not known. */
export type Woken = Promise<Found | undefined>;

/** Waits of this process for loads of other processes: one for each lease, however many callers there are. */
export class LeaseWaits {
  readonly #waits = new Map<string, Woken>();
  /** Nobody waits any more: nobody would tell that a load is over. */
  closed = false;

  /** @param forgetRead called when what was read of a key before is not what there is now */
  constructor(
    private readonly reader: EntryReader,
    private readonly trouble: RedisTrouble,
    private readonly wakeUps: WakeUps,
    private readonly forgetRead: (name: string) => void,
  ) {}

  /** The wait for that lease, if there is one. */
  underWay(token: string): Woken | undefined {
    return this.#waits.get(token);
  }

  /** To be made before the lease is asked about, so that a change right after the answer is not missed. */
  waiter(name: string): Waiter {
    return this.wakeUps.waiter(name);
  }

  /** Resolves when the lease no longer stands. Takes care of the waiter from now on. */
  wait(request: LoadRequest, token: string, waiter: Waiter, forMs: number): Woken {
    const waiting = this.#waits.get(token);
    if (waiting) {
      waiter.cancel();
      return waiting;
    }
    const woken = this.#untilOver(request, token, waiter, forMs).finally(() => {
      waiter.cancel();
      this.#waits.delete(token);
    });
    this.#waits.set(token, woken);
    return woken;
  }

  /** The lease itself is a change of the key, and so is each time that it is prolonged: neither ends the wait. */
  async #untilOver(request: LoadRequest, token: string, waiter: Waiter, forMs: number): Woken {
    const { scope, name, entry } = request;
    const endsAt = performance.now() + forMs;
    for (let left = forMs; left > 0 && !this.closed; left = endsAt - performance.now()) {
      await waiter.wait(left);
      this.forgetRead(name);
      try {
        const found = await this.reader.read(scope, name);
        if (found.state !== 'lease' || found.token !== token) return found;
      } catch (error) {
        if (entry.onOutage === 'throw' || !this.trouble.isCause(error)) throw error;
        return undefined;
      }
    }
    return undefined;
  }
}

/** Resolves to undefined at that time on the monotonic clock, whatever it waits for. */
export async function noLongerThan<T>(giveUpAt: number, result: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, giveUpAt - performance.now()), undefined);
  });
  try {
    return await Promise.race([result, patience]);
  } finally {
    clearTimeout(timer);
  }
}
