import { quote } from './quote.js';

/** What a lock is to who uses it: all are kept, and waited for, in the same way. */
export type LockKind = 'lock' | 'semaphore' | 'read-write' | 'election' | 'job';

const NOUNS: Readonly<Record<LockKind, string>> = {
  lock: 'lock',
  semaphore: 'semaphore',
  'read-write': 'read-write lock',
  election: 'lock of election',
  job: 'lock of job',
};

/** As in `semaphore "uploads"`, within a sentence. */
export function named(kind: LockKind, key: string): string {
  return `${NOUNS[kind]} ${quote(key)}`;
}

/** The same where a sentence begins. */
export function namedFirst(kind: LockKind, key: string): string {
  const name = named(kind, key);
  return name.charAt(0).toUpperCase() + name.slice(1);
}
