import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { EntryHeader } from '../drivers/entry-text.js';
import { EchoCheck } from './echo-check.js';
import { Slot } from './slot.js';

let stored: Map<string, string>;
let asked: string[][];
let dropped: Slot[];
let answer: () => Promise<void>;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  stored = new Map();
  asked = [];
  dropped = [];
  answer = async () => undefined;
});
afterEach(() => {
  jest.useRealTimers();
});

function check(batchMs: number): EchoCheck {
  const headers = async (names: readonly string[]): Promise<(EntryHeader | undefined)[]> => {
    asked.push([...names]);
    const versions = names.map((name) => stored.get(name));
    await answer();
    return versions.map((version) => (version === undefined ? undefined : ({ version } as EntryHeader)));
  };
  return new EchoCheck({ headers }, (slot) => dropped.push(slot), batchMs);
}

function suspect(name: string, version = 'mine'): Slot {
  const header = { version, ttlMs: 1_000, graceMs: 0 } as EntryHeader;
  const slot = new Slot(name, name, 'value', false, header, true, performance.now(), 0);
  slot.suspect = true;
  return slot;
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('An entry whose key was reported as changed', () => {
  it('is confirmed when it is the one that stands in the shared tier', async () => {
    stored.set('a', 'mine');
    const slot = suspect('a');
    check(0).add(slot);
    expect(slot.comparing).toBe(true);
    await settled();

    expect([slot.suspect, slot.comparing]).toEqual([false, false]);
    expect(dropped).toEqual([]);
  });

  it('is then waiting for no echo any more: whatever is reported from now on is of somebody else', async () => {
    stored.set('a', 'mine');
    const slots = [1, 3].map((reports) => Object.assign(suspect('a'), { reports }));
    const echoes = check(0);
    slots.forEach((slot) => echoes.add(slot));
    await settled();

    expect(slots.map(({ reports }) => reports)).toEqual([1, 1]);
  });

  it.each([
    ['another', 'theirs'],
    ['none', undefined],
  ])('is dropped when there is %s', async (_, version) => {
    if (version !== undefined) stored.set('a', version);
    const slot = suspect('a');
    check(0).add(slot);
    await settled();

    expect(dropped).toEqual([slot]);
    expect(slot.suspect).toBe(true);
  });

  it('stays suspect when the shared tier cannot be asked, and may be compared again', async () => {
    answer = () => Promise.reject(new Error('away'));
    const slots = [suspect('a'), suspect('b')];
    const echoes = check(10);
    slots.forEach((slot) => echoes.add(slot));
    jest.advanceTimersByTime(10);
    await settled();

    expect(dropped).toEqual([]);
    expect(slots.map(({ suspect, comparing }) => [suspect, comparing])).toEqual([
      [true, false],
      [true, false],
    ]);
  });

  it('is compared along with those of its moment', async () => {
    stored.set('a', 'mine').set('c', 'mine');
    const slots = ['a', 'b', 'c'].map((name) => suspect(name));
    const echoes = check(10);
    slots.forEach((slot) => echoes.add(slot));
    jest.advanceTimersByTime(9);
    expect(asked).toEqual([]);
    expect(slots[0]!.comparing).toBe(false);
    jest.advanceTimersByTime(1);
    await settled();

    expect(asked).toEqual([['a', 'b', 'c']]);
    expect(slots.map(({ suspect }) => suspect)).toEqual([false, true, false]);
    expect(dropped).toEqual([slots[1]]);
  });

  it('is compared by another question when the first is under way', async () => {
    stored.set('a', 'mine').set('b', 'mine');
    let release: (() => void) | undefined;
    answer = () => new Promise((resolve) => (release = resolve));
    const echoes = check(10);
    echoes.add(suspect('a'));
    jest.advanceTimersByTime(10);
    answer = async () => undefined;
    const slot = suspect('b');
    echoes.add(slot);
    jest.advanceTimersByTime(10);
    await settled();

    expect(asked).toEqual([['a'], ['b']]);
    expect(slot.suspect).toBe(false);
    release!();
  });

  it('waits for its first reader when there are too many', async () => {
    const echoes = check(10);
    for (let index = 0; index < 300; index++) echoes.add(suspect(`${index}`));
    jest.advanceTimersByTime(10);
    await settled();

    expect(asked[0]).toHaveLength(256);
    expect(dropped).toHaveLength(256);
  });

  it('is not compared any more after the end', async () => {
    const echoes = check(10);
    echoes.add(suspect('a'));
    echoes.close();
    jest.advanceTimersByTime(100);
    await settled();

    expect(asked).toEqual([]);
  });
});
