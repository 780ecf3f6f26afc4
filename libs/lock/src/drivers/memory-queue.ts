import { LIVE_MS, type Claim } from './lock-driver.js';

const MS = 1_000;

/** Those who wait for one lock, first come first; who belongs to a process that has not beaten for {@link LIVE_MS} is dropped. */
export class WaitQueue {
  #waiters: Claim[] = [];
  /** Until when the processes are alive. */
  readonly #alive = new Map<string, number>();

  get first(): Claim | undefined {
    return this.#waiters[0];
  }

  beat(process: string, now: number): void {
    this.#alive.set(process, now + LIVE_MS * MS);
  }

  /** Puts a claim at the end; one that has a place keeps it. */
  join(claim: Claim): void {
    if (this.placeOf(claim.id) === 0) this.#waiters.push(claim);
  }

  /** From 1; 0 for who has none. */
  placeOf(id: string): number {
    return this.#waiters.findIndex((waiter) => waiter.id === id) + 1;
  }

  leave(id: string): void {
    const place = this.placeOf(id);
    if (place > 0) this.#waiters.splice(place - 1, 1);
  }

  alive(now: number): readonly Claim[] {
    return this.#waiters.filter(({ id }) => (this.#alive.get(processOf(id)) ?? 0) > now);
  }

  dropDead(now: number): void {
    let isDead = false;
    for (const [process, endsAt] of this.#alive) {
      if (endsAt > now) continue;
      this.#alive.delete(process);
      isDead = true;
    }
    if (isDead) this.#waiters = [...this.alive(now)];
  }
}

/** The process of a claim or hold, by its id. */
export function processOf(id: string): string {
  return id.slice(0, id.lastIndexOf(':'));
}
