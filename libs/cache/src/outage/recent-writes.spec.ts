import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RecentWrites } from './recent-writes.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

describe('The recent writes of a process', () => {
  it('are those of the last ten seconds, told once', () => {
    const recent = new RecentWrites();
    recent.note(['old', 'again']);
    recent.noteTags(['old-tag']);
    jest.advanceTimersByTime(9_000);
    recent.note(['again', 'new']);
    recent.noteTags(['new-tag']);
    jest.advanceTimersByTime(2_000);

    expect(recent.take()).toEqual({ names: ['again', 'new'], tags: ['new-tag'] });
    expect(recent.take()).toEqual({ names: [], tags: [] });
  });

  it('are at most ten thousand: the oldest is forgotten first', () => {
    const recent = new RecentWrites();
    recent.note(Array.from({ length: 10_001 }, (_, index) => `${index}`));

    const { names } = recent.take();

    expect(names).toHaveLength(10_000);
    expect(names[0]).toBe('1');
  });
});
