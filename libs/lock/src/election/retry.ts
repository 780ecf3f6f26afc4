const FIRST_MS = 50;
const MOST_MS = 5_000;

/** How long to wait after so many failures in a row: doubles up to 5 s. A random half of it keeps candidates apart. */
export function retryDelay(failures: number, random: () => number = Math.random): number {
  const full = Math.min(MOST_MS, FIRST_MS * 2 ** failures);
  return full / 2 + (full / 2) * random();
}

/** Resolves after the time, or as soon as the signal aborts. Does not hold the process. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms).unref();
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}
