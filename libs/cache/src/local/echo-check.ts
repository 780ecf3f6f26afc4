import type { CacheDriver } from '../drivers/cache-driver.js';
import type { Slot } from './slot.js';

// Under heavy writing most entries are not read before they are written again: those wait for their first reader.
const MAX_WAITING = 256;

/**
 * Compares entries that this process has written with the shared tier, once a change of their keys has been reported. It
 * is mostly the echo of the write itself, but a write of another process at the same moment would be reported as one.
 */
export class EchoCheck {
  readonly #waiting = new Set<Slot>();
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param drop called with an entry that is not, or may not be, the one that stands in the shared tier
   * @param batchMs how long it waits for others, which are then compared along with it
   */
  constructor(
    private readonly store: Pick<CacheDriver, 'headers'>,
    private readonly drop: (slot: Slot) => void,
    private readonly batchMs: number,
  ) {}

  add(slot: Slot): void {
    if (this.#waiting.size >= MAX_WAITING) return;
    this.#waiting.add(slot);
    if (this.batchMs === 0) void this.#compare();
    else this.#timer ??= setTimeout(() => void this.#compare(), this.batchMs).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.clear();
  }

  async #compare(): Promise<void> {
    this.#timer = undefined;
    const slots = [...this.#waiting];
    this.#waiting.clear();
    for (const slot of slots) slot.comparing = true;
    try {
      const headers = await this.store.headers(slots.map(({ name }) => name));
      slots.forEach((slot, index) => {
        if (headers[index]?.version === slot.header.version) {
          slot.suspect = false;
          // The echo counts as heard: what is reported from now on is of somebody else, and compared again if it is not.
          slot.reports = 1;
        } else this.drop(slot);
        slot.comparing = false;
      });
    } catch {
      // They stay suspect: good for an outage, and for nothing else.
      for (const slot of slots) slot.comparing = false;
    }
  }
}
