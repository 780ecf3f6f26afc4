import { describe, expect, it } from '@jest/globals';
import { LockCallError, LockExpiredError } from '../lock.errors.js';
import type { Lock } from '../lock.js';
import { fence } from './fence.js';
import { FencedWriteRejectedError } from './fenced-write-rejected.error.js';

const TOKEN = 1_795_237_776_953_001n;
let held = true;

const lock = {
  key: 'seat:7',
  token: TOKEN,
  assertHeld() {
    if (!held) throw new LockExpiredError('seat:7', TOKEN, 'its validity has ended.');
  },
} as Lock;

/** As tags of SQL libraries do: text with placeholders, and parameters. */
function tag(strings: TemplateStringsArray, ...values: unknown[]): { text: string; values: unknown[] } {
  return { text: strings.join('?'), values };
}

describe('fence(lock)', () => {
  afterEach(() => {
    held = true;
  });

  it('is the token of the lock, as a bigint and as what a driver without bigint is given', () => {
    expect([fence(lock).token, fence(lock).parameter]).toEqual([TOKEN, '1795237776953001']);
  });

  it('makes the parts of a statement that is text, also for rows that have no token yet', () => {
    expect(fence(lock).plain('fence', '$2')).toEqual({
      set: 'fence = $2',
      where: '(fence IS NULL OR fence <= $2)',
    });
  });

  it.each(['?', '?3', '$12', ':fence', '@fence', '%s'])('knows the placeholder %s', (placeholder) => {
    expect(fence(lock).plain('"s"."fence"', placeholder).where).toBe(
      `("s"."fence" IS NULL OR "s"."fence" <= ${placeholder})`,
    );
  });

  it.each(['fence', 's.fence', 'shop.seats.fence_2', '_f', 'größe', '"My fence"', '`s`.`fence-no`', '[dbo].[Fence]'])(
    'knows the column %s',
    (column) => {
      expect(fence(lock).plain(column, '$2').set).toBe(`${column} = $2`);
    },
  );

  it.each([
    ['fence', '1795237776953001'],
    ['fence', "'; DROP TABLE seats"],
    ['fence', '$1 OR true'],
    ['fence', ''],
    ['fence = 1 --', '$1'],
    ['fence, admin', '$1'],
    ['fence IS NULL OR fence', '$1'],
    ['a b', '$1'],
    ['fence.', '$1'],
    ['.fence', '$1'],
    ['"fence', '$1'],
    ['"a" OR "b"', '$1'],
    ['"a"; DROP TABLE seats; "b"', '$1'],
    ['`a?`', '?'],
    ['"a$1"', '$1'],
    ['[a]]', '$1'],
    ['1', '$1'],
    ['fence\n', '$1'],
    ['', '$1'],
  ])('refuses to put %p and %p into a statement', (column, placeholder) => {
    expect(() => fence(lock).plain(column, placeholder)).toThrow(LockCallError);
  });

  it('makes a condition by the tag of the library that the statement is built with', () => {
    const column = { name: 'fence' };
    expect(fence(lock).where(tag, column)).toEqual({
      text: '(? IS NULL OR ? <= ?)',
      values: [column, column, '1795237776953001'],
    });
  });

  it('makes no statement for a lock that is lost', () => {
    held = false;
    expect(() => fence(lock).plain('fence', '$2')).toThrow(LockExpiredError);
    expect(() => fence(lock).where(tag, 'fence')).toThrow(LockExpiredError);
    expect(() => fence(lock).assertHeld()).toThrow(LockExpiredError);
  });

  it.each([1, 2, 1n])('accepts %p changed rows', (rows) => {
    expect(() => fence(lock).accept(rows)).not.toThrow();
  });

  it('shows no more of a key than is needed, and none of what a terminal obeys', () => {
    const long = { ...lock, key: `${String.fromCodePoint(0x1b)}[31m${'k'.repeat(5_000)}` } as Lock;
    const write = (): void => fence(long).accept(0);
    expect(write).toThrow(/^A row refused token 1795237776953001 of lock "\\u001b\[31mk+\.\.\.": no row was changed/);
    expect(() => fence(long).plain('x'.repeat(5_000) + '!', '$1')).toThrow(/^"x{100}\.\.\." is no name of a column/);
  });

  it.each([0, 0n])('a statement that has changed %p rows was refused', (rows) => {
    expect.assertions(3);
    try {
      fence(lock).accept(rows);
    } catch (error) {
      expect(error).toBeInstanceOf(FencedWriteRejectedError);
      expect(error).toMatchObject({ code: 'LOCK_FENCED', key: 'seat:7', token: TOKEN, highest: undefined });
      expect((error as Error).message).toContain('"seat:7"');
    }
  });

  // What statements resolve to in mysql2, Kysely, TypeORM: lists that have an element whatever has changed.
  it.each([null, undefined, -1, 0.5, Number.NaN, '0', [{ affectedRows: 0 }], { rowCount: 0 }])(
    'does not take %p for a count of rows',
    (rows) => {
      expect(() => fence(lock).accept(rows as number)).toThrow(LockCallError);
    },
  );
});
