import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { EntryHeader } from '../drivers/entry-text.js';
import { MemoryCacheDriver } from '../drivers/memory.driver.js';
import { globPattern } from '../drivers/glob.js';
import { TagMirror } from '../tags/tag-mirror.js';
import { LocalTier, type LocalIndex } from './local-tier.js';
import { Slot } from './slot.js';

const PREFIX = 'app:cache:default:';

let store: MemoryCacheDriver;
let tags: TagMirror;
let local: LocalTier;
let index: LocalIndex;
let suspected: Slot[];

beforeEach(async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
  store = new MemoryCacheDriver();
  tags = new TagMirror(store);
  await tags.catchUp();
  open({ maxEntries: 100, maxBytes: 1_000_000 });
});
afterEach(() => {
  jest.useRealTimers();
});

function open(limits: { maxEntries: number; maxBytes: number }): void {
  suspected = [];
  local = new LocalTier(limits, tags, (slot) => suspected.push(slot));
  local.trusted = true;
  index = local.index(PREFIX);
}

interface SlotOptions extends Partial<EntryHeader> {
  own?: boolean;
  ageMs?: number;
}

function slotOf(text: string, value: unknown, { own = false, ageMs = 0, ...header }: SlotOptions = {}): Slot {
  const rest = {
    writtenAt: 0,
    ttlMs: 1_000,
    graceMs: 0,
    loadMs: 0,
    revision: '',
    format: '',
    tags: [],
    stamp: undefined,
  };
  const full = { version: `1-${String(value)}`, ...rest, ...header };
  return new Slot(PREFIX + text, text, value, false, full, own, performance.now(), ageMs);
}

function put(text: string, value: unknown, options?: SlotOptions, length = 10): Slot {
  const slot = slotOf(text, value, options);
  local.put(local.fence(slot.name), slot, length, index);
  return slot;
}

/** What `get` would be served. */
function served(text: string): unknown {
  const slot = index.get(text);
  return slot && local.fresh(slot, performance.now()) ? slot.value : undefined;
}

function servedAtOnce(text: string): unknown {
  const slot = index.get(text);
  return slot && local.freshAtOnce(slot, performance.now()) ? slot.value : undefined;
}

describe('An entry in process', () => {
  it('is served for as long as it is fresh', () => {
    put('a', 'value', { ttlMs: 1_000, ageMs: 300, graceMs: 5_000 });

    jest.advanceTimersByTime(699);
    expect(served('a')).toBe('value');
    jest.advanceTimersByTime(1);
    expect(served('a')).toBeUndefined();
  });

  it('is what is left in an outage for as long as its grace lasts', () => {
    put('a', 'value', { ttlMs: 1_000, graceMs: 500 });

    jest.advanceTimersByTime(1_499);
    expect(local.remains(`${PREFIX}a`, index)?.value).toBe('value');
    jest.advanceTimersByTime(1);
    expect(local.remains(`${PREFIX}a`, index)).toBeUndefined();
  });

  it('is not served while changes may go unseen', () => {
    put('a', 'value');

    local.trusted = false;
    expect(served('a')).toBeUndefined();
    expect(servedAtOnce('a')).toBeUndefined();
    expect(local.remains(`${PREFIX}a`, index)?.value).toBe('value');
    local.trusted = true;

    expect(served('a')).toBe('value');
  });

  it('gives way to a newer one, which is then in its place', () => {
    put('a', 'old');
    const slot = put('a', 'new');

    expect(served('a')).toBe('new');
    expect(index.get('a')).toBe(slot);
    expect(local.entries).toBe(1);
  });

  it('leaves when it is forgotten, by name or by pattern', () => {
    put('user:1', 1);
    put('user:2', 2);
    put('item:1', 3);

    local.forget(`${PREFIX}user:1`);
    expect([...index.keys()]).toEqual(['user:2', 'item:1']);
    local.forgetMatching(globPattern(`${PREFIX}user:*`));
    expect([...index.keys()]).toEqual(['item:1']);
    local.clear();
    expect([local.entries, index.size, local.bytes]).toEqual([0, 0, 0]);
  });

  it('is kept apart from those of another namespace', () => {
    put('a', 'mine');
    const other = local.index('app:cache:other:');

    expect(other.get('a')).toBeUndefined();
    expect(index.get('a')?.value).toBe('mine');
  });

  it('is kept apart from those of another revision or another schema of the same namespace', () => {
    const accept = (value: unknown): unknown => value;
    const others = [local.index(PREFIX, '2'), local.index(PREFIX, '', accept), local.index(PREFIX, '2', accept)];
    const slot = slotOf('a', 'mine');
    local.put(local.fence(slot.name), slot, 10, index);

    expect(served('a')).toBe('mine');
    expect(others.map((other) => other.size)).toEqual([0, 0, 0]);
    expect(others.map((other) => local.remains(slot.name, other))).toEqual([undefined, undefined, undefined]);
    expect(local.remains(slot.name, index)).toBe(slot);
    expect(local.index(PREFIX)).toBe(index);
    expect(local.index(PREFIX, '2', accept)).toBe(others[2]);
  });

  it('gives way to one that another scope of the namespace brings for its key, and leaves with it', () => {
    const other = local.index(PREFIX, '2');
    put('a', 'mine');
    const slot = slotOf('a', 'theirs', { revision: '2' });
    local.put(local.fence(slot.name), slot, 10, other);

    expect([index.size, other.get('a')?.value, local.entries]).toEqual([0, 'theirs', 1]);
    local.changed(`${PREFIX}a`);
    expect([other.size, local.entries]).toEqual([0, 0]);
  });

  it('that is dropped is the one that is meant, not one that has replaced it', () => {
    const old = put('a', 'old');
    const slot = put('a', 'new');

    local.drop(old);
    expect(served('a')).toBe('new');
    local.drop(slot);
    expect(served('a')).toBeUndefined();
  });
});

describe('What is on its way here', () => {
  it.each<[string, () => void]>([
    ['forgotten', () => local.forget(`${PREFIX}a`)],
    ['changed by somebody', () => local.changed(`${PREFIX}a`)],
    ['cleared with all others', () => local.clear()],
    ['forgotten by a pattern', () => local.forgetMatching(globPattern(`${PREFIX}*`))],
    ['perhaps one of a tag that was invalidated', () => local.forgetTagged(['t'])],
  ])('is not taken in when its key was meanwhile %s', (_, happens) => {
    const fence = local.fence(`${PREFIX}a`);
    happens();
    local.put(fence, slotOf('a', 'old'), 10, index);

    expect(index.get('a')).toBeUndefined();
  });

  it('is taken in whatever happens to other keys, or happened before or after', () => {
    local.forget(`${PREFIX}a`);
    local.changed(`${PREFIX}a`);
    const fence = local.fence(`${PREFIX}a`);
    local.forget(`${PREFIX}b`);
    local.changed(`${PREFIX}b`);
    local.forgetMatching(globPattern(`${PREFIX}b*`));
    local.put(fence, slotOf('a', 'value'), 10, index);

    expect(served('a')).toBe('value');
  });

  it('several times is refused for each of those that had begun', () => {
    const before = [local.fence(`${PREFIX}a`), local.fence(`${PREFIX}a`)];
    local.forget(`${PREFIX}a`);
    const after = local.fence(`${PREFIX}a`);

    for (const fence of before) local.put(fence, slotOf('a', 'old'), 10, index);
    expect(served('a')).toBeUndefined();
    local.put(after, slotOf('a', 'new'), 10, index);
    expect(served('a')).toBe('new');
  });

  it('does not count any more once it has arrived or was given up', () => {
    const arrived = local.fence(`${PREFIX}a`);
    local.put(arrived, slotOf('a', 'value'), 10, index);
    const givenUp = local.fence(`${PREFIX}b`);
    local.lift(givenUp);
    local.forget(`${PREFIX}a`);
    local.changed(`${PREFIX}b`);

    expect(arrived.forgotten).toBe(false);
    expect(givenUp.changes).toBe(0);
  });

  it('is superseded by an own write that began later, but not by one that was itself overtaken', () => {
    const read = local.fence(`${PREFIX}a`);
    const write = local.fence(`${PREFIX}a`);
    local.supersede(write);
    local.put(write, slotOf('a', 'new', { own: true }), 10, index);
    local.put(read, slotOf('a', 'old'), 10, index);
    expect(served('a')).toBe('new');

    const overtaken = local.fence(`${PREFIX}a`);
    local.forget(`${PREFIX}a`);
    const newest = local.fence(`${PREFIX}a`);
    local.supersede(overtaken);
    local.put(newest, slotOf('a', 'newest', { own: true }), 10, index);
    expect(served('a')).toBe('newest');
  });
});

describe('A report of a change', () => {
  it('removes an entry that was read', () => {
    put('a', 'value');
    local.changed(`${PREFIX}a`);

    expect(index.get('a')).toBeUndefined();
    expect(suspected).toEqual([]);
  });

  it('makes an entry that this process has written suspect: it may be of that, or of somebody else', () => {
    const slot = put('a', 'value', { own: true });
    local.changed(`${PREFIX}a`);

    expect(suspected).toEqual([slot]);
    expect(served('a')).toBeUndefined();
    slot.suspect = false;
    expect(served('a')).toBe('value');
  });

  it('that came while an own write was on its way does the same', () => {
    const fence = local.fence(`${PREFIX}a`);
    local.changed(`${PREFIX}a`);
    const slot = slotOf('a', 'value', { own: true });
    local.put(fence, slot, 10, index);

    expect(suspected).toEqual([slot]);
    expect(served('a')).toBeUndefined();
  });

  it('does not have a suspect compared twice', () => {
    put('a', 'value', { own: true });
    local.changed(`${PREFIX}a`);
    local.changed(`${PREFIX}a`);

    expect(suspected).toHaveLength(1);
  });

  it('during the comparison removes it: whoever changed it may have done so after it was looked at', () => {
    const slot = put('a', 'value', { own: true });
    local.changed(`${PREFIX}a`);
    slot.comparing = true;
    local.changed(`${PREFIX}a`);

    expect(index.get('a')).toBeUndefined();
  });

  it('leaves the word of this process to who cannot wait, for a second', () => {
    put('a', 'value', { own: true, ttlMs: 60_000 });
    local.changed(`${PREFIX}a`);

    expect(served('a')).toBeUndefined();
    jest.advanceTimersByTime(999);
    expect(servedAtOnce('a')).toBe('value');
    jest.advanceTimersByTime(1);
    expect(servedAtOnce('a')).toBeUndefined();
  });

  it('leaves nothing to anybody when there is a second: one of the two is of somebody else', () => {
    put('a', 'value', { own: true });
    local.changed(`${PREFIX}a`);
    local.changed(`${PREFIX}a`);
    expect([servedAtOnce('a'), local.remains(`${PREFIX}a`, index)]).toEqual([undefined, undefined]);

    const fence = local.fence(`${PREFIX}b`);
    local.changed(`${PREFIX}b`);
    local.changed(`${PREFIX}b`);
    local.put(fence, slotOf('b', 'value', { own: true }), 10, index);
    expect([servedAtOnce('b'), local.remains(`${PREFIX}b`, index)]).toEqual([undefined, undefined]);
  });

  it('counts together with one that came while the write was on its way', () => {
    const fence = local.fence(`${PREFIX}a`);
    local.changed(`${PREFIX}a`);
    local.put(fence, slotOf('a', 'value', { own: true }), 10, index);
    expect(servedAtOnce('a')).toBe('value');

    local.changed(`${PREFIX}a`);
    expect(servedAtOnce('a')).toBeUndefined();
  });

  it('does not count when it came before the write, nor when it is of another key', () => {
    local.changed(`${PREFIX}a`);
    put('a', 'value', { own: true });
    local.changed(`${PREFIX}b`);
    local.changed(`${PREFIX}a`);

    expect(servedAtOnce('a')).toBe('value');
  });

  it('leaves nothing to who cannot wait after the end of a suspect, nor of one that was only kept for an outage', () => {
    put('a', 'value', { own: true, ttlMs: 500 });
    local.changed(`${PREFIX}a`);
    jest.advanceTimersByTime(500);
    expect(servedAtOnce('a')).toBeUndefined();

    put('b', 'value').suspect = true;
    expect(served('b')).toBeUndefined();
    expect(servedAtOnce('b')).toBeUndefined();
    expect(local.remains(`${PREFIX}b`, index)?.value).toBe('value');
  });
});

describe('An entry with tags', () => {
  const tagged = async (own = false): Promise<SlotOptions> => ({ tags: ['t'], stamp: await store.tagState(), own });

  it('is served without asking anybody, until one is invalidated', async () => {
    put('a', 'value', await tagged());
    expect(served('a')).toBe('value');

    await tags.invalidate(['other']);
    expect(served('a')).toBe('value');
    await tags.invalidate(['t']);
    expect(served('a')).toBeUndefined();
    expect(local.entries).toBe(0);
  });

  it('is not served while the state of the tags is not known', async () => {
    put('a', 'value', await tagged());
    tags.markStale();
    expect(served('a')).toBeUndefined();

    await tags.catchUp();
    expect(served('a')).toBe('value');
  });

  it('is not served to who cannot wait either, though this process has just written it', async () => {
    put('a', 'value', await tagged(true));
    local.changed(`${PREFIX}a`);
    expect(servedAtOnce('a')).toBe('value');

    await tags.invalidate(['t']);
    expect(servedAtOnce('a')).toBeUndefined();
  });

  it('is nothing that is left in an outage once it is known to be invalid', async () => {
    put('a', 'value', await tagged());
    put('b', 'value', { tags: ['u'], stamp: await store.tagState() });
    tags.markStale();
    expect(local.remains(`${PREFIX}a`, index)?.value).toBe('value');

    await tags.invalidate(['t']);
    expect(local.remains(`${PREFIX}a`, index)).toBeUndefined();
    local.forgetTagged(['u', 'v']);
    expect(local.remains(`${PREFIX}b`, index)).toBeUndefined();
  });

  it('is dropped when the bookkeeping is lost', async () => {
    put('a', 'value', await tagged());
    tags.observe(undefined);
    await tags.catchUp();
    await store.forgetTags();
    tags.markStale();
    await tags.catchUp();

    expect(served('a')).toBeUndefined();
    expect(local.entries).toBe(0);
  });
});

describe('What a process may not have heard of', () => {
  it('is not served once nobody has said for a while that reports arrive, until that is said again', () => {
    put('a', 'value', { ttlMs: 60_000 });
    put('own', 'value', { ttlMs: 60_000, own: true });
    local.changed(`${PREFIX}own`);
    local.trustedUntil = performance.now() + 100;
    jest.advanceTimersByTime(99);
    expect([served('a'), servedAtOnce('own')]).toEqual(['value', 'value']);

    jest.advanceTimersByTime(2);
    expect([served('a'), servedAtOnce('own')]).toEqual([undefined, undefined]);

    local.trustedUntil = performance.now() + 100;
    expect([served('a'), servedAtOnce('own')]).toEqual(['value', 'value']);
  });

  it('is served for no longer than a change may go unseen', () => {
    local.maxAgeMs = 500;
    put('a', 'value', { ttlMs: 60_000 });
    jest.advanceTimersByTime(498);
    expect(served('a')).toBe('value');

    jest.advanceTimersByTime(3);
    expect(served('a')).toBeUndefined();
  });
});

describe('The room in process', () => {
  it('has a bound of entries: the one that was not used for longest leaves', () => {
    open({ maxEntries: 3, maxBytes: 1_000_000 });
    for (const text of ['a', 'b', 'c']) put(text, text);
    expect(served('a')).toBe('a');
    put('d', 'd');

    expect([...index.keys()]).toEqual(['a', 'c', 'd']);
    expect(local.entries).toBe(3);
    expect(local.evictions).toBe(1);
  });

  it.each([
    ['entries', { maxEntries: 80, maxBytes: 1_000_000_000 }],
    ['bytes', { maxEntries: 1_000_000, maxBytes: 80 * 2_500 }],
  ])('keeps what is read now and then while many others come, with a bound of %s', (_, limits) => {
    open(limits);
    put('read', 'value');
    put('unread', 'value');
    for (let number = 0; number < 1_000; number++) {
      put(`${number}`, number, {}, 1_000);
      if (number % 40 === 0) expect(served('read')).toBe('value');
    }

    expect(local.evictions).toBeGreaterThan(900);
    expect(served('unread')).toBeUndefined();
    expect(served('0')).toBeUndefined();
  });

  it('has a bound of bytes, which counts the text of an entry, its name and what it costs beside', () => {
    open({ maxEntries: 1_000, maxBytes: 10_000 });
    for (let number = 0; number < 10; number++) put(`${number}`, number, {}, 1_000);

    expect(local.entries).toBe(4);
    expect(local.bytes).toBe(4 * (2 * (1_000 + PREFIX.length + 1) + 400));
    expect(local.evictions).toBe(6);
    expect([...index.keys()]).toEqual(['6', '7', '8', '9']);
  });

  it('takes nothing in that is larger than itself, and then what was there before is gone, too', () => {
    open({ maxEntries: 10, maxBytes: 2_000 });
    put('a', 'small');
    put('a', 'huge', {}, 10_000);

    expect(index.get('a')).toBeUndefined();
    expect(local.entries).toBe(0);
  });

  it('counts what was forgotten or replaced as no eviction', () => {
    put('a', 1);
    put('a', 2);
    local.forget(`${PREFIX}a`);

    expect(local.evictions).toBe(0);
  });
});
