import { UnreadableValueError } from '../value/unreadable-value.error.js';
import { issuesText } from './issue-text.js';
import type { StandardSchema } from './standard-schema.js';

/** A value that the schema of its cache refuses. The message holds the paths of what does not fit, never the value. */
export class MisfitError extends UnreadableValueError {
  constructor(cache: string, problem: string, options?: { cause?: unknown }) {
    super(cache, problem, options);
    this.message = `It does not fit the schema of the cache "${cache}": ${problem}. Correct where it comes from, or the schema.`;
  }
}

/** Gives what the schema makes of a value. It rejects with a MisfitError, whatever is wrong. */
export function acceptBy(cache: string, schema: StandardSchema): (value: unknown) => Promise<unknown> {
  return async (value) => {
    let result;
    try {
      result = await schema['~standard'].validate(value);
    } catch (cause) {
      // Not its message, which may quote the value.
      throw new MisfitError(cache, 'the schema threw an error instead of reporting issues', { cause });
    }
    if (result.issues) throw new MisfitError(cache, issuesText(value, result.issues));
    if (result.value !== undefined) return result.value;
    throw new MisfitError(cache, 'the schema made undefined of it, which is never cached');
  };
}
