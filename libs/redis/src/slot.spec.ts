import { describe, expect, it } from '@jest/globals';
import { groupBySlot, slotOf } from './slot.js';

describe('The slot of a key', () => {
  it('is the one that a Redis Cluster computes', () => {
    // From CLUSTER KEYSLOT of Redis.
    expect(slotOf('foo')).toBe(12_182);
    expect(slotOf('123456789')).toBe(0x31c3);
    expect(slotOf('')).toBe(0);
  });

  it('depends on the hash tag alone where there is one', () => {
    expect(slotOf('{user:1}:name')).toBe(slotOf('user:1'));
    expect(slotOf('{}user')).not.toBe(slotOf('user'));
  });
});

describe('Keys by slot', () => {
  it('are together when one command may name them, in their order', () => {
    expect(groupBySlot(['{a}1', '{b}1', '{a}2', '{b}2'])).toEqual([
      ['{a}1', '{a}2'],
      ['{b}1', '{b}2'],
    ]);
    expect(groupBySlot([])).toEqual([]);
  });
});
