import { NuthatchError } from '@nuthatch/redis';

/** What stands under a key is nothing that this cache would have written there. The message never holds the value. */
export class UnreadableValueError extends NuthatchError {
  constructor(
    readonly key: string,
    reason: string,
    options?: { cause?: unknown },
  ) {
    super('CACHE_UNREADABLE', `The entry "${key}" cannot be read. ${reason}`, options);
  }
}
