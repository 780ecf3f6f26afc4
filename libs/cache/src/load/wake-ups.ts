import type { ChangeFeed, ChangeListener } from '../drivers/change-feed.js';

// What a waiter does while nobody would tell it: look for itself, now and then.
const LOOK_MS = 100;
const IDLE_MS = 30_000;

export interface Waiter {
  /** Resolves when the key has changed since the waiter was made, or has waited last, or `ms` have passed. */
  wait(ms: number): Promise<void>;
  cancel(): void;
}

/** Lets callers wait for a key to change, told by the server and not by asking again and again. */
export class WakeUps {
  readonly #waiters = new Map<string, Set<() => void>>();
  #feed: ChangeFeed | undefined;
  #idle: NodeJS.Timeout | undefined;
  readonly #listener: ChangeListener = {
    changed: (names) => (names === null ? this.#wakeAll() : names.forEach((name) => this.#wake(name))),
    // Until now a change may have gone unseen, or from now on one may.
    armed: () => this.#wakeAll(),
    gap: () => this.#wakeAll(),
  };

  /** @param open opens a feed of all keys; it is closed when nobody has waited for half a minute */
  constructor(private readonly open: () => ChangeFeed) {}

  waiter(name: string): Waiter {
    let isTold = this.#feed !== undefined;
    let woken = false;
    let resolve: (() => void) | undefined;
    const wake = (): void => {
      woken = true;
      resolve?.();
    };
    const others = this.#waiters.get(name);
    if (others) others.add(wake);
    else this.#waiters.set(name, new Set([wake]));
    return {
      wait: async (ms) => {
        this.#openFeed();
        // Of a change before the feed was open nobody was told.
        const longest = isTold && this.#feed!.armed ? ms : Math.min(ms, LOOK_MS);
        isTold = true;
        let timer: NodeJS.Timeout | undefined;
        try {
          await new Promise<void>((done) => {
            resolve = done;
            if (woken) done();
            // Not unref'd: somebody waits for this.
            timer = setTimeout(done, longest);
          });
        } finally {
          clearTimeout(timer);
          resolve = undefined;
          woken = false;
        }
      },
      cancel: () => {
        const waiters = this.#waiters.get(name);
        waiters?.delete(wake);
        if (waiters?.size === 0) this.#waiters.delete(name);
      },
    };
  }

  close(): void {
    clearTimeout(this.#idle);
    this.#feed?.close();
    this.#feed = undefined;
    this.#wakeAll();
  }

  #openFeed(): void {
    if (!this.#feed) {
      this.#feed = this.open();
      this.#feed.on(this.#listener);
    }
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => (this.#waiters.size === 0 ? this.close() : this.#openFeed()), IDLE_MS).unref();
  }

  #wake(name: string): void {
    this.#waiters.get(name)?.forEach((wake) => wake());
  }

  #wakeAll(): void {
    for (const waiters of this.#waiters.values()) waiters.forEach((wake) => wake());
  }
}
