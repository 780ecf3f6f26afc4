import type { Outcome } from './guarded-call.js';

/** The same events; tells when they end: an error is a `'failure'`. */
export function followedTo<T>(source: AsyncIterator<T>, tell: (outcome: Outcome) => void): AsyncIterableIterator<T> {
  const step = async (take: () => Promise<IteratorResult<T>>): Promise<IteratorResult<T>> => {
    try {
      const result = await take();
      if (result.done) tell('success');
      return result;
    } catch (error) {
      tell('failure');
      throw error;
    }
  };
  return {
    next: () => step(() => source.next()),
    return: (value) => {
      tell('success');
      return source.return?.(value) ?? Promise.resolve({ done: true, value });
    },
    throw: (error) => step(() => source.throw?.(error) ?? Promise.reject(error)),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
