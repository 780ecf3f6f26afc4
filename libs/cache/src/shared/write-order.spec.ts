import { describe, expect, it } from '@jest/globals';
import { WriteOrder } from './write-order.js';

describe('The order of the writes to a key', () => {
  it('lets go on what was asked for last, and what was asked for before it when that is ready first', () => {
    const order = new WriteOrder();
    const [first, second] = [order.enter('a'), order.enter('a')];

    expect(order.leave(first)).toBe(true);
    expect(order.leave(second)).toBe(true);
  });

  it('holds back what is ready only after something that was asked for later', () => {
    const order = new WriteOrder();
    const [first, second, third] = [order.enter('a'), order.enter('a'), order.enter('a')];

    expect(order.leave(second)).toBe(true);
    expect(order.leave(first)).toBe(false);
    expect(order.leave(third)).toBe(true);
  });

  it('holds back everything that was asked for before something that needs no preparation', () => {
    const order = new WriteOrder();
    const before = order.enter('a');
    order.overtake('a');
    const after = order.enter('a');

    expect(order.leave(before)).toBe(false);
    expect(order.leave(after)).toBe(true);
  });

  it('does not hold back what was asked for before something that is not made in the end', () => {
    const order = new WriteOrder();
    const first = order.enter('a');
    order.drop(order.enter('a'));

    expect(order.leave(first)).toBe(true);
  });

  it('knows what of it matches a pattern', () => {
    const order = new WriteOrder();
    const [user, item] = [order.enter('user:1'), order.enter('item:1')];
    order.overtakeMatching(/^user:/);

    expect([order.leave(user), order.leave(item)]).toEqual([false, true]);
  });

  it('is that of each key', () => {
    const order = new WriteOrder();
    const a = order.enter('a');
    order.overtake('b');
    order.leave(order.enter('b'));

    expect(order.leave(a)).toBe(true);
  });

  it('does not let an overtaken write hold back one that came before it', () => {
    const order = new WriteOrder();
    const first = order.enter('a');
    const second = order.enter('a');
    order.overtake('a');

    expect([order.leave(second), order.leave(first)]).toEqual([false, false]);
    expect(order.leave(order.enter('a'))).toBe(true);
  });
});
