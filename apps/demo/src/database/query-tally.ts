import { AsyncLocalStorage } from 'node:async_hooks';

/** Counts the questions that one request asks the database. */
export const queryTally = new AsyncLocalStorage<{ queries: number }>();

/** A Drizzle logger that adds each query to the tally of the request that sent it. */
export const tallyQueries = {
  logQuery(): void {
    const tally = queryTally.getStore();
    if (tally) tally.queries += 1;
  },
};
