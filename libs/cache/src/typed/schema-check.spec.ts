import { describe, expect, it } from '@jest/globals';
import { UnreadableValueError } from '../value/unreadable-value.error.js';
import { acceptBy, MisfitError } from './schema-check.js';
import type { SchemaResult } from './standard-schema.js';

const accepting = (validate: (value: unknown) => SchemaResult<unknown> | Promise<SchemaResult<unknown>>) =>
  acceptBy('users', { '~standard': { version: 1, vendor: 'spec', validate } });

describe('A value that is checked against a schema', () => {
  it('becomes what the schema makes of it', async () => {
    expect(await accepting((value) => ({ value: [value] }))(1)).toEqual([1]);
    expect(await accepting(async (value) => ({ value: [value] }))(1)).toEqual([1]);
    expect(await accepting(() => ({ value: null }))(1)).toBeNull();
  });

  it('that does not fit is unreadable, and the message says where it does not', async () => {
    const accept = accepting(() => ({ issues: [{ path: ['id'], message: 'Expected number' }] }));

    const error = await accept({ id: 'x' }).catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(MisfitError);
    expect(error).toBeInstanceOf(UnreadableValueError);
    expect((error as Error).message).toBe(
      'It does not fit the schema of the cache "users": $.id: Expected number. Correct where it comes from, or the schema.',
    );
  });

  it('that makes the schema throw does not fit either, and is not quoted', async () => {
    const cause = new TypeError('s3cret is not a function');
    const error = await accepting(() => {
      throw cause;
    })('s3cret').catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(MisfitError);
    expect((error as Error).cause).toBe(cause);
    expect((error as Error).message).toMatch(/the schema threw an error instead of reporting issues/);
    expect((error as Error).message).not.toMatch(/s3cret/);
  });

  it('of which the schema makes undefined does not fit', async () => {
    await expect(accepting(() => ({ value: undefined }))(1)).rejects.toThrow(/made undefined of it/);
  });
});
