interface Aborts {
  readonly listeners: Set<() => void>;
  readonly abort: () => void;
}

/** Many may wait under one signal, such as that of a request, and Node warns of more than ten listeners: here it has one. */
export class AbortListeners {
  readonly #aborts = new WeakMap<AbortSignal, Aborts>();

  /** @returns ends it */
  add(signal: AbortSignal, listener: () => void): () => void {
    const { listeners } = this.#abortsOf(signal);
    listeners.add(listener);
    return () => {
      if (!listeners.delete(listener) || listeners.size > 0) return;
      signal.removeEventListener('abort', this.#aborts.get(signal)!.abort);
      this.#aborts.delete(signal);
    };
  }

  #abortsOf(signal: AbortSignal): Aborts {
    let aborts = this.#aborts.get(signal);
    if (!aborts) {
      const listeners = new Set<() => void>();
      aborts = { listeners, abort: () => listeners.forEach((each) => each()) };
      signal.addEventListener('abort', aborts.abort);
      this.#aborts.set(signal, aborts);
    }
    return aborts;
  }
}
