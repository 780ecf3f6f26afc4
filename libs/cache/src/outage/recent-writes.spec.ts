import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RecentWrites } from './recent-writes.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

describe('The recent writes of a process', () => {
  it('are those of the last minute', () => {
    const recent = new RecentWrites();
    recent.note(['old', 'again']);
    recent.noteTags(['old-tag']);
    jest.advanceTimersByTime(50_000);
    recent.note(['again', 'new']);
    recent.noteTags(['new-tag']);
    jest.advanceTimersByTime(11_000);

    expect(recent.take()).toEqual({ names: ['again', 'new'], tags: ['new-tag'] });
  });

  it('are told again by a second failover, which may lose what was told after the first', () => {
    const recent = new RecentWrites();
    recent.note(['key']);
    jest.advanceTimersByTime(50_000);
    recent.take();
    jest.advanceTimersByTime(50_000);

    expect(recent.take()).toEqual({ names: ['key'], tags: [] });
    jest.advanceTimersByTime(61_000);
    expect(recent.take()).toEqual({ names: [], tags: [] });
  });

  it('are at most fifty thousand: the oldest is forgotten first', () => {
    const recent = new RecentWrites();
    recent.note(Array.from({ length: 50_001 }, (_, index) => `${index}`));

    const { names } = recent.take();

    expect(names).toHaveLength(50_000);
    expect(names[0]).toBe('1');
  });
});
