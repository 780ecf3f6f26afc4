/**
 * Waits for work that was given `signal`; when that aborts, for `patienceMs` more.
 *
 * @throws what the work throws, and the reason of the signal if it has aborted, also when the work then ends in peace:
 * it may have stopped half way.
 */
export function abortableWork<T>(work: Promise<T>, signal: AbortSignal, patienceMs: number): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let patience: NodeJS.Timeout | undefined;
    const aborted = (): void => {
      patience = setTimeout(() => reject(signal.reason as Error), patienceMs);
    };
    const settled = (settle: () => void): void => {
      clearTimeout(patience);
      signal.removeEventListener('abort', aborted);
      if (signal.aborted) reject(signal.reason as Error);
      else settle();
    };
    signal.addEventListener('abort', aborted);
    work.then(
      (value) => settled(() => resolve(value)),
      (error: unknown) => settled(() => reject(error as Error)),
    );
  });
}
