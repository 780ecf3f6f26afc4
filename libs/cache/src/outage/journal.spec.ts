import { beforeEach, describe, expect, it } from '@jest/globals';
import { RedisUnreachableError } from '@nuthatch/redis';
import type { StoredValue, TagState } from '../drivers/cache-driver.js';
import { Journal } from './journal.js';

const away = new RedisUnreachableError('default', 'ECONNREFUSED', 'not-executed');
const full = Object.assign(new Error('OOM command not allowed'), { name: 'ReplyError' });
const ALL = 'app:cache:*';

const entry = (body: string): StoredValue => ({
  body,
  header: {
    version: `1-${body}`,
    writtenAt: 1,
    ttlMs: 1_000,
    graceMs: 0,
    loadMs: 0,
    revision: '',
    format: '',
    tags: [],
    stamp: undefined,
  },
});

/** Writes down what it is told, and does so only when it is let. */
class Store {
  readonly told: string[] = [];
  readonly fails = new Map<string, Error>();
  readonly matching = new Map<string, string[][]>();
  /** Called before each operation is done. */
  meanwhile: (operation: string) => unknown = () => undefined;

  delete(keys: readonly string[]): Promise<number> {
    return this.#tell('delete', keys.join(), keys.length);
  }

  expire(keys: readonly string[]): Promise<number> {
    return this.#tell('expire', keys.join(), keys.length);
  }

  restore(key: string, { body }: StoredValue): Promise<boolean> {
    return this.#tell('restore', `${key}=${String(body)}`, true);
  }

  invalidateTags(tags: readonly string[]): Promise<TagState> {
    return this.#tell('tags', tags.join(), { epoch: 'e', seq: 1, floor: 0 });
  }

  forgetTags(): Promise<void> {
    return this.#tell('forgetTags', '', undefined);
  }

  async *scan(glob: string): AsyncIterable<readonly string[]> {
    await this.#tell('scan', glob, undefined);
    for (const page of this.matching.get(glob) ?? []) yield page;
  }

  async #tell<T>(operation: string, what: string, reply: T): Promise<T> {
    await this.meanwhile(operation);
    const error = this.fails.get(operation);
    if (error) throw error;
    this.told.push(what === '' ? operation : `${operation} ${what}`);
    return reply;
  }
}

let store: Store;
let journal: Journal;

beforeEach(() => {
  store = new Store();
  journal = new Journal(store, ALL, { notes: 100 });
});

describe('The journal', () => {
  it('tells nothing when nothing was noted', async () => {
    expect(journal.pending).toBe(false);
    await journal.replay();

    expect(store.told).toEqual([]);
  });

  it('tells all that was noted, what removes most first, and then knows nothing any more', async () => {
    store.matching.set('a:*', [['a:1', 'a:2'], ['a:3']]);
    journal.noteDelete(['x', 'y']);
    journal.noteExpire(['z']);
    journal.noteSet('v', entry('1'));
    journal.noteTags(['t', 'u']);
    journal.noteGlob('a:*');
    expect(journal.size).toBe(7);
    expect(journal.pending).toBe(true);

    await journal.replay();

    expect(store.told).toEqual([
      'scan a:*',
      'delete a:1,a:2',
      'delete a:3',
      'tags t,u',
      'delete x,y',
      'expire z',
      'restore v=1',
    ]);
    expect(journal.size).toBe(0);
    expect(journal.pending).toBe(false);
  });

  it('keeps the newest note of a key', async () => {
    journal.noteDelete(['a', 'b']);
    journal.noteSet('a', entry('1'));
    journal.noteSet('a', entry('2'));
    journal.noteSet('c', entry('3'));
    journal.noteDelete(['c']);
    expect(journal.size).toBe(3);

    await journal.replay();

    expect(store.told).toEqual(['delete b,c', 'restore a=2']);
  });

  it.each([
    ['a deletion', () => journal.noteDelete(['a'])],
    ['a set', () => journal.noteSet('a', entry('1'))],
  ])('has nothing live on in its grace that %s should have replaced: an expiry after it deletes', async (_, before) => {
    before();
    journal.noteExpire(['a']);
    journal.noteExpire(['a']);

    await journal.replay();

    expect(store.told).toEqual(['delete a']);
  });

  it('tells thousands of keys in pages', async () => {
    journal = new Journal(store, ALL);
    journal.noteDelete(Array.from({ length: 1_200 }, (_, index) => `${index}`));

    await journal.replay();

    expect(store.told).toHaveLength(3);
    expect(store.told.join().match(/\d+/g)).toHaveLength(1_200);
  });

  it.each([
    ['keys', () => journal.noteDelete(Array.from({ length: 100 }, (_, index) => `${index}`))],
    ['tags', () => journal.noteTags(Array.from({ length: 101 }, (_, index) => `${index}`))],
    ['patterns', () => ['a*', 'b*'].forEach((glob) => journal.noteGlob(glob))],
  ])('that is given too many %s to note deletes everything in their place', async (_, note) => {
    store.matching.set(ALL, [['one', 'two']]);
    journal.noteSet('a', entry('1'));
    journal.noteTags(['t']);
    note();
    expect(journal.size).toBe(1);

    await journal.replay();

    expect(store.told).toEqual([`scan ${ALL}`, 'delete one,two']);
  });

  it('goes on noting after it was given too many', async () => {
    journal.noteDelete(Array.from({ length: 101 }, (_, index) => `${index}`));
    journal.noteTags(['t']);
    journal.noteDelete(['a']);

    await journal.replay();

    expect(store.told).toEqual([`scan ${ALL}`, 'tags t', 'delete a']);
  });
});

describe('A replay that fails', () => {
  it.each(['scan', 'tags', 'delete', 'expire', 'restore'])(
    'at %s forgets nothing that was not told',
    async (operation) => {
      store.matching.set('a:*', [['a:1']]);
      journal.noteGlob('a:*');
      journal.noteTags(['t']);
      journal.noteDelete(['x']);
      journal.noteExpire(['y']);
      journal.noteSet('z', entry('1'));
      store.fails.set(operation, away);

      await expect(journal.replay()).rejects.toBe(away);
      expect(journal.pending).toBe(true);
      store.fails.clear();
      await journal.replay();

      expect(new Set(store.told)).toEqual(
        new Set(['scan a:*', 'delete a:1', 'tags t', 'delete x', 'expire y', 'restore z=1']),
      );
      expect(journal.pending).toBe(false);
    },
  );

  it('half-way does not tell the pages again that were told', async () => {
    journal = new Journal(store, ALL);
    journal.noteDelete(Array.from({ length: 600 }, (_, index) => `${index}`));
    let calls = 0;
    store.meanwhile = () => {
      calls += 1;
      if (calls === 2) throw away;
    };

    await expect(journal.replay()).rejects.toBe(away);
    expect(journal.size).toBe(100);
    await journal.replay();

    expect(store.told.slice(1).join().match(/\d+/g)).toHaveLength(100);
  });

  it('is begun with a single note when the one before has failed, so that it costs little to fail again', async () => {
    Array.from({ length: 50 }, (_, index) => journal.noteSet(`${index}`, entry('1')));
    store.fails.set('restore', away);
    await expect(journal.replay()).rejects.toBe(away);
    let operations = 0;
    store.meanwhile = () => (operations += 1);

    await expect(journal.replay()).rejects.toBe(away);
    expect(operations).toBe(1);
    store.fails.clear();
    await journal.replay();

    expect(store.told).toHaveLength(50);
  });

  it('is begun with a single tag when there is nothing else', async () => {
    journal.noteTags(['t', 'u', 'v']);
    store.fails.set('tags', away);
    await expect(journal.replay()).rejects.toBe(away);
    store.fails.clear();

    await journal.replay();

    expect(store.told).toEqual(['tags t', 'tags u,v']);
  });

  it('keeps the newer note that came meanwhile', async () => {
    journal.noteSet('a', entry('1'));
    store.meanwhile = () => {
      journal.noteSet('a', entry('2'));
      throw away;
    };
    await expect(journal.replay()).rejects.toBe(away);
    store.meanwhile = () => undefined;

    await journal.replay();

    expect(store.told).toEqual(['restore a=2']);
  });
});

describe('What is noted during a replay', () => {
  it.each([
    ['a key', () => journal.noteDelete(['a']), 'delete a'],
    ['a tag', () => journal.noteTags(['t']), 'tags t'],
    ['a pattern', () => journal.noteGlob('a:*'), 'scan a:*'],
    ['an expiry', () => journal.noteExpire(['a']), 'expire a'],
    ['a set', () => journal.noteSet('a', entry('1')), 'restore a=1'],
  ])('is told by the next, though it is the same: %s', async (_, note, told) => {
    note();
    let again = note;
    store.meanwhile = () => {
      again();
      again = () => undefined;
    };

    await journal.replay();
    expect(journal.pending).toBe(true);
    await journal.replay();

    expect(store.told).toEqual([told, told]);
    expect(journal.pending).toBe(false);
  });

  it('is told, though it is the expiry of what is being deleted: somebody may have stored it anew since', async () => {
    journal.noteDelete(['a']);
    let again = (): void => journal.noteExpire(['a']);
    store.meanwhile = () => {
      again();
      again = () => undefined;
    };

    await journal.replay();
    await journal.replay();

    expect(store.told).toEqual(['delete a', 'delete a']);
  });

  it('counts as pending until the replay is over', async () => {
    journal.noteDelete(['a']);
    let pending: boolean | undefined;
    store.meanwhile = () => (pending = journal.pending);

    await journal.replay();

    expect(pending).toBe(true);
    expect(journal.pending).toBe(false);
  });

  it('does not begin a second replay beside the first', async () => {
    journal.noteDelete(['a']);

    await Promise.all([journal.replay(), journal.replay()]);

    expect(store.told).toEqual(['delete a']);
  });
});

describe('A server that is full', () => {
  it('lets go of what it cannot take, so that the journal comes to an end', async () => {
    journal.noteTags(['t']);
    journal.noteExpire(['x', 'y']);
    journal.noteSet('z', entry('1'));
    for (const operation of ['tags', 'expire', 'restore']) store.fails.set(operation, full);

    await journal.replay();

    expect(new Set(store.told)).toEqual(new Set(['forgetTags', 'delete x,y', 'delete z']));
    expect(journal.pending).toBe(false);
  });

  it('that does not even delete leaves all of it noted', async () => {
    journal.noteSet('z', entry('1'));
    store.fails.set('restore', full);
    store.fails.set('delete', full);

    await expect(journal.replay()).rejects.toBe(full);
    expect(journal.size).toBe(1);
  });
});
