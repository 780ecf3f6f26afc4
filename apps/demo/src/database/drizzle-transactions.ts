import { AsyncLocalStorage } from 'node:async_hooks';
import { Inject, Injectable } from '@nestjs/common';
import { CacheTransactions } from '@nuthatch/cache';
import { DATABASE, type Database } from './database.js';

/** What queries of a transaction go through. */
export type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0];

type Task = () => Promise<void>;

interface RunningTransaction {
  readonly outer: RunningTransaction | undefined;
  readonly tasks: Task[];
  handle: Transaction | undefined;
  over: boolean;
}

/**
 * Transactions of Drizzle that `@CacheInvalidate({ when: 'after-commit' })` knows of, wherever in them it stands:
 * `transactions.run(async (tx) => { ... })`. One that is begun within another is a savepoint of it.
 */
@Injectable()
export class DrizzleTransactions extends CacheTransactions {
  readonly #database: Database;
  readonly #running = new AsyncLocalStorage<RunningTransaction>();

  constructor(@Inject(DATABASE) database: Database) {
    super();
    this.#database = database;
  }

  /**
   * Commits when `work` resolves and rolls back when it rejects; then nothing that it has handed to `afterCommit` runs. In
   * it query through `tx` only: this Postgres has one connection, and the transaction holds it until it is over.
   *
   * @throws what `work` throws. What a task throws after the commit: the changes are stored, and all tasks have run.
   */
  async run<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const outer = this.#innermost();
    const own: RunningTransaction = { outer, tasks: [], handle: undefined, over: false };
    let result: T;
    try {
      result = await (outer?.handle ?? this.#database).transaction((tx) => {
        own.handle = tx;
        return this.#running.run(own, () => work(tx));
      });
    } finally {
      own.over = true;
    }
    // What a savepoint holds is committed only with all around it.
    const enclosing = this.#innermost();
    if (enclosing) enclosing.tasks.push(...own.tasks);
    else await runAll(own.tasks);
    return result;
  }

  override afterCommit(task: Task): boolean {
    const transaction = this.#innermost();
    transaction?.tasks.push(task);
    return transaction !== undefined;
  }

  /** Work that nobody has awaited may go on after its transaction is over. */
  #innermost(): RunningTransaction | undefined {
    let transaction = this.#running.getStore();
    while (transaction?.over) transaction = transaction.outer;
    return transaction;
  }
}

async function runAll(tasks: readonly Task[]): Promise<void> {
  const outcomes = await Promise.allSettled(tasks.map((task) => task()));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}
