import { beforeEach, describe, expect, it } from '@jest/globals';
import type { TagChanges, TagStamp, TagState } from '../drivers/cache-driver.js';
import { MemoryCacheDriver } from '../drivers/memory.driver.js';
import { StagedDriver } from '../fixtures/staged-driver.js';
import { TagMirror } from './tag-mirror.js';

let store: MemoryCacheDriver;
let staged: StagedDriver;
let mirror: TagMirror;

beforeEach(() => {
  store = new MemoryCacheDriver();
  staged = new StagedDriver(store);
  mirror = new TagMirror(staged);
});

/** The counter now, as an entry that is being made would carry it. */
const stampNow = async (): Promise<TagStamp> => store.tagState();

describe('The mirror of the tags', () => {
  it('knows nothing before it has caught up: no tagged entry is valid, and none can be stamped', () => {
    expect(mirror.current).toBe(false);
    expect(mirror.stamp).toBeUndefined();
    expect(mirror.judge({ epoch: 'e', seq: 1 }, ['t'])).toBe(false);
  });

  it('has entries valid until one of their tags is invalidated, and those of later', async () => {
    await mirror.catchUp();
    const before = await stampNow();
    expect(mirror.stamp).toEqual(await store.tagState());
    expect(mirror.judge(before, ['t', 'u'])).toBe(true);

    await store.invalidateTags(['t']);
    mirror.markStale();
    await mirror.catchUp();

    expect(mirror.judge(before, ['t', 'u'])).toBe(false);
    expect(mirror.judge(before, ['u'])).toBe(true);
    expect(mirror.judge(await stampNow(), ['t', 'u'])).toBe(true);
  });

  it('knows of its own invalidations without asking', async () => {
    await mirror.catchUp();
    const before = await stampNow();
    const { version } = mirror;

    await mirror.invalidate(['t']);

    expect(mirror.current).toBe(true);
    expect(mirror.version).toBeGreaterThan(version);
    expect(mirror.judge(before, ['t'])).toBe(false);
    expect(mirror.judge(before, ['u'])).toBe(true);
    expect(staged.count('tagChanges')).toBe(1);
  });

  it('asks again when somebody else has invalidated between two of its own', async () => {
    await mirror.catchUp();
    const before = await stampNow();
    await store.invalidateTags(['u']);

    await mirror.invalidate(['t']);
    expect(mirror.current).toBe(false);
    await mirror.catchUp();

    expect(mirror.judge(before, ['t'])).toBe(false);
    expect(mirror.judge(before, ['u'])).toBe(false);
  });

  it('changes its version with everything that could make an entry invalid', async () => {
    const versions = [mirror.version];
    const note = (): number => versions.push(mirror.version);
    await mirror.catchUp();
    note();
    await mirror.invalidate(['t']);
    note();
    await store.invalidateTags(['u']);
    mirror.markStale();
    await mirror.catchUp();
    note();
    mirror.observe(undefined);
    note();

    expect(new Set(versions).size).toBe(versions.length);
  });

  it('does not ask when it knows all', async () => {
    await mirror.catchUp();
    await mirror.catchUp();
    mirror.observe(await store.tagState());
    await mirror.catchUp();

    expect(staged.count('tagChanges')).toBe(1);
  });

  it('refuses nothing when the store fails, but stays behind, and throws what the store throws', async () => {
    const error = new Error('away');
    await mirror.catchUp();
    mirror.markStale();
    staged.goAway(error);

    await expect(mirror.catchUp()).rejects.toBe(error);
    await expect(mirror.invalidate(['t'])).rejects.toBe(error);
    await expect(mirror.isValid(await stampNow(), ['t'])).rejects.toBe(error);
    expect(mirror.current).toBe(false);
    staged.recover();
    expect(await mirror.catchUp()).toBe(true);
  });
});

describe('While the mirror catches up', () => {
  it('it is not current: what it knew before is not all that has happened', async () => {
    await mirror.catchUp();
    await store.invalidateTags(['t']);
    mirror.markStale();
    const hold = staged.holdBefore('tagChanges');
    const catchingUp = mirror.catchUp();
    await hold.reached;

    expect(mirror.current).toBe(false);
    hold.release();
    await catchingUp;
    expect(mirror.current).toBe(true);
  });

  it('who comes then waits for an answer that is not older than he is', async () => {
    await mirror.catchUp();
    const before = await stampNow();
    mirror.markStale();
    const hold = staged.holdReply('tagChanges');
    const first = mirror.catchUp();
    await hold.reached;

    await store.invalidateTags(['t']);
    mirror.observe(await store.tagState());
    const valid = mirror.isValid(before, ['t']);
    hold.release();

    expect(await valid).toBe(false);
    await first;
  });

  it('who has been told nothing new waits for the same answer', async () => {
    mirror.markStale();
    const hold = staged.holdReply('tagChanges');
    const first = mirror.catchUp();
    await hold.reached;

    const second = mirror.catchUp();
    hold.release();

    expect(await Promise.all([first, second])).toEqual([true, true]);
    expect(staged.count('tagChanges')).toBe(1);
  });

  it('an invalidation of its own is not undone by an answer of before', async () => {
    await mirror.catchUp();
    const before = await stampNow();
    mirror.markStale();
    const hold = staged.holdReply('tagChanges');
    const catchingUp = mirror.catchUp();
    await hold.reached;

    await mirror.invalidate(['t']);
    hold.release();
    await catchingUp;

    expect(mirror.judge(before, ['t'])).toBe(false);
    expect(mirror.stamp?.seq).toBe((await store.tagState()).seq);
  });

  it('a change that is reported meanwhile is asked for again', async () => {
    await mirror.catchUp();
    const before = await stampNow();
    mirror.markStale();
    const hold = staged.holdReply('tagChanges');
    const catchingUp = mirror.catchUp();
    await hold.reached;
    await store.invalidateTags(['t']);
    mirror.markStale();
    hold.release();
    await catchingUp;

    expect(mirror.current).toBe(false);
    expect(await mirror.isValid(before, ['t'])).toBe(false);
  });

  it('too much may happen for an answer: then nothing that has tags is valid, rather than something stale', async () => {
    await mirror.catchUp();
    const before = await stampNow();
    const changes = staged.tagChanges.bind(staged);
    // Each answer is outdated by an invalidation of this process by the time it arrives.
    staged.tagChanges = async (known): Promise<TagChanges> => {
      const answer = await changes(known);
      await mirror.invalidate(['other']);
      return answer;
    };
    mirror.markStale();

    expect(await mirror.catchUp()).toBe(false);
    mirror.markStale();
    expect(await mirror.isValid(before, ['u'])).toBe(false);
  });
});

describe('When the bookkeeping of the store is lost', () => {
  it('no entry of before is valid: a new epoch has begun', async () => {
    await mirror.catchUp();
    const before = await stampNow();

    await store.forgetTags();
    mirror.observe(await store.tagState());

    expect(mirror.current).toBe(false);
    expect(await mirror.isValid(before, ['t'])).toBe(false);
    expect(await mirror.isValid(await stampNow(), ['t'])).toBe(true);
  });

  it('nothing is valid and nothing can be stamped from the moment on that it is seen', async () => {
    await mirror.catchUp();
    const before = await stampNow();

    mirror.observe(undefined);

    expect(mirror.stamp).toBeUndefined();
    expect(mirror.judge(before, ['t'])).toBe(false);
    expect(mirror.current).toBe(false);
  });

  it('entries from before the floor are invalid, whatever their tags', async () => {
    await mirror.catchUp();
    const before = await stampNow();
    for (let index = 0; index < 10_001; index++) await store.invalidateTags([`${index}`]);
    mirror.observe(await store.tagState());
    await mirror.catchUp();

    expect(mirror.judge(before, ['never invalidated'])).toBe(false);
    expect(mirror.judge(await stampNow(), ['0'])).toBe(true);
  });

  it('a counter that has gone back, after a failover, begins an epoch: its numbers will come again', async () => {
    const state = (seq: number, epoch = 'first'): TagState => ({ epoch, seq, floor: 0 });
    const asked: string[] = [];
    let now = state(10);
    const lossy = new TagMirror({
      tagChanges: async () => ({ state: now, stamps: [], since: 0 }),
      tagStamps: async (tags) => tags.map(() => 0),
      invalidateTags: async () => now,
      forgetTags: async () => {
        asked.push('forgetTags');
        now = state(0, 'second');
      },
    });
    await lossy.catchUp();
    const madeBefore = state(10);

    now = state(8);
    lossy.markStale();

    expect(await lossy.isValid(madeBefore, ['t'])).toBe(false);
    expect(asked).toEqual(['forgetTags']);
    expect(lossy.stamp).toEqual(state(0, 'second'));
  });
});

describe('An entry that is older than what the mirror knows', () => {
  let old: TagStamp;

  beforeEach(async () => {
    old = await stampNow();
    await store.invalidateTags(['t']);
    // Like an answer that could not hold all that has changed.
    const { seq } = await store.invalidateTags(['other']);
    const changes = store.tagChanges.bind(store);
    store.tagChanges = async (known): Promise<TagChanges> => ({ ...(await changes(known)), stamps: [], since: seq });
  });

  it('cannot be judged without asking', async () => {
    await mirror.catchUp();

    expect(mirror.judge(old, ['t'])).toBeUndefined();
    expect(mirror.judge(old, ['u'])).toBeUndefined();
    expect(mirror.judge(await stampNow(), ['t', 'u'])).toBe(true);
  });

  it('is judged by asking the store once for each tag', async () => {
    expect(await mirror.isValid(old, ['t'])).toBe(false);
    expect(await mirror.isValid(old, ['u'])).toBe(true);
    expect(staged.count('tagStamps')).toBe(2);

    expect(await mirror.isValid(old, ['u'])).toBe(true);
    expect(await mirror.isValid(old, ['t', 'u'])).toBe(false);
    expect(staged.count('tagStamps')).toBe(2);
  });

  it('is not valid when one of several tags was invalidated', async () => {
    expect(await mirror.isValid(old, ['u', 't', 'v'])).toBe(false);
  });

  it('is asked for again after everything has changed meanwhile', async () => {
    const hold = staged.holdReply('tagStamps');
    const valid = mirror.isValid(old, ['u']);
    await hold.reached;
    await store.forgetTags();
    mirror.observe(undefined);
    hold.release();

    expect(await valid).toBe(false);
  });
});
