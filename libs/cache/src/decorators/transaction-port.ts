/**
 * Tells `@CacheInvalidate({ when: 'after-commit' })` when the transactions of a database commit. Provide it in the module
 * that owns the database: `{ provide: CacheTransactions, useExisting: MyTransactions }`, exported and visible to the
 * decorated classes, so a module that is global or that theirs imports. Each module may see one of its own, for a database
 * of its own. In specs without a database `{ provide: CacheTransactions, useValue: { afterCommit: () => false } }` will do.
 */
export abstract class CacheTransactions {
  /**
   * Has `task` run once the transaction in which it is called has committed, and the change can be seen by others; never
   * when it rolls back. A transaction within another counts as committed when the outermost one is. Whoever commits waits
   * for the tasks; one that rejects must not keep the others from running.
   *
   * @returns false when no transaction is open: the task was not taken, and the caller runs it.
   */
  abstract afterCommit(task: () => Promise<void>): boolean;
}
