import { readFileSync } from 'node:fs';
import type { RedisConnectionOptions } from '@nuthatch/redis';
import { openChangeFeed } from '../../libs/cache/src/coherence/open-change-feed.js';
import type { ChangeFeed } from '../../libs/cache/src/drivers/change-feed.js';
import { eventually, startProxy, startStandalone, type RedisServer, type TcpProxy } from '../harness/index.js';
import { Mirror } from '../redis/mirror.js';
import {
  closeConnections,
  openConnection,
  outcomeOf,
  sharedServers,
  uniqueKey,
  untilUp,
  type OpenConnection,
} from '../redis/open-connection.js';

type Mode = 'tracking' | 'broadcast';
/** What a feed has told: its keys one by one. */
type Told = 'armed' | 'gap' | null | string;

interface Watched extends OpenConnection {
  readonly feed: ChangeFeed;
  readonly told: Told[];
}

const feeds: ChangeFeed[] = [];

/** A process of its own, as far as Redis can tell. */
async function openFeed(
  options: RedisConnectionOptions,
  root: string,
  mode: Mode,
  prefix?: string,
): Promise<Watched & { untilArmed(): Promise<unknown>; untilTold(what: Told): Promise<unknown> }> {
  const opened = await openConnection(options);
  await untilUp(opened.connection);
  const feed = openChangeFeed(opened.connection, root, mode, prefix);
  feeds.push(feed);
  expect(feed.armed).toBe(false);
  const told: Told[] = [];
  feed.on({
    changed: (keys) => void told.push(...(keys ?? [null])),
    armed: () => void told.push('armed'),
    gap: () => void told.push('gap'),
  });
  return {
    ...opened,
    feed,
    told,
    untilArmed: () => eventually('the feed is armed', () => feed.armed),
    untilTold: (what) => eventually(`${what} is told`, () => told.includes(what)),
  };
}

afterEach(async () => {
  for (const feed of feeds.splice(0)) feed.close();
  await closeConnections();
});

describe.each(['standalone', 'sentinel', 'cluster'] as const)('a feed of changes on %s', (topology) => {
  it.each(['tracking', 'broadcast'] as const)('by %s tells one process what another has changed', async (mode) => {
    const root = uniqueKey('');
    const one = await openFeed(sharedServers()[topology], root, mode);
    const other = await openFeed(sharedServers()[topology], root, mode);
    await one.untilArmed();
    await other.untilArmed();
    const keys = Array.from({ length: 20 }, (_, index) => `${root}${index}`);
    const write = async (key: string): Promise<void> => {
      await other.connection.client.set(key, '1');
      await other.feed.announce([key]);
    };

    await Promise.all(keys.map(write));
    await Promise.all([...keys.map(one.untilTold), ...keys.map(other.untilTold)]);

    expect(one.told[0]).toBe('armed');
    expect(one.told.slice(1).sort()).toEqual(keys.sort());
  });

  it.each(['tracking', 'broadcast'] as const)('by %s reports the keys of its prefix only', async (mode) => {
    const root = uniqueKey('');
    const one = await openFeed(sharedServers()[topology], root, mode, `${root}tags`);
    await one.untilArmed();

    for (const key of [`${root}user`, `${uniqueKey('')}tags`, `${root}tags`]) {
      await one.connection.client.set(key, '1');
      await one.feed.announce([key]);
    }
    await one.untilTold(`${root}tags`);

    expect(one.told).toEqual(['armed', `${root}tags`]);
  });

  it.each(['tracking', 'broadcast'] as const)('by %s holds nothing open when it was closed', async (mode) => {
    const root = uniqueKey('');
    const { feed, connection, told, untilArmed } = await openFeed(sharedServers()[topology], root, mode);
    await untilArmed();
    feed.close();
    feed.close();

    expect(feed.armed).toBe(false);
    await connection.client.set(`${root}key`, '1');
    await feed.announce([`${root}key`]);
    await eventually('nobody listens', async () => {
      const lists = await Promise.all(connection.masters().map((node) => node.client('LIST')));
      const [, listeners] = (await connection.client.pubsub('NUMSUB', `${root}{changes}`)) as [string, number];
      return !/name=app:default:tracker .*redir=[1-9]/.test(lists.join()) && listeners === 0;
    });
    expect(told).toEqual(['armed']);
  });
});

describe('a feed by tracking', () => {
  let server: RedisServer;
  beforeEach(async () => void (server = await startStandalone()));
  afterEach(() => server.stop());

  it('reports what nobody announces: other programs, expiry, eviction and a flush', async () => {
    const one = await openFeed({ mode: 'standalone', url: server.url }, 'app:cache:', 'tracking');
    await one.untilArmed();

    await server.call('SET', 'app:cache:expired', '1', 'PX', 20);
    await eventually('the expiry', () => one.told.filter((key) => key === 'app:cache:expired').length === 2);
    await server.call('SET', 'app:cache:evicted', '1');
    await server.configSet('maxmemory-policy', 'allkeys-lru');
    await server.configSet('maxmemory', 1);
    await eventually('the eviction', () => one.told.filter((key) => key === 'app:cache:evicted').length === 2);
    await server.configSet('maxmemory', 0);
    await server.call('FLUSHALL');
    await one.untilTold(null);
  });

  it('reports a gap when its link is cut, and then that it is armed again', async () => {
    const one = await openFeed({ mode: 'standalone', url: server.url }, 'app:cache:', 'tracking');
    await one.untilArmed();

    await server.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await one.untilTold('gap');
    expect(one.feed.armed).toBe(false);
    await one.untilArmed();

    expect(one.told).toEqual(['armed', 'gap', 'armed']);
  });

  it('leaves announcing to the server, once it is known that the server does', async () => {
    const one = await openFeed({ mode: 'standalone', url: server.url }, 'app:cache:', 'tracking');
    await one.feed.announce(['app:cache:early']);
    expect(await server.call('XLEN', 'app:cache:{changes}:log')).toBe(1);
    await one.untilArmed();

    await one.feed.announce(['app:cache:late']);

    expect(await server.call('XLEN', 'app:cache:{changes}:log')).toBe(1);
  });
});

describe('a feed that the server refuses to track for', () => {
  let server: RedisServer;
  beforeEach(async () => {
    server = await startStandalone();
    await server.call('ACL', 'SETUSER', 'limited', 'on', '>s3cret', '~*', '&*', '+@all', '-client|tracking');
  });
  afterEach(() => server.stop());

  it('falls back to broadcasts with one warning, and is armed no sooner than these are', async () => {
    const limited = { mode: 'standalone', url: server.url, username: 'limited', password: 's3cret' } as const;
    const one = await openFeed(limited, 'app:cache:', 'tracking');
    const listeners = new Promise<unknown>((resolve) =>
      one.feed.on({
        armed: () => resolve(server.call('PUBSUB', 'NUMSUB', 'app:cache:{changes}')),
        gap: () => undefined,
        changed: () => undefined,
      }),
    );
    expect(await listeners).toEqual(['app:cache:{changes}', 1]);
    const warnings = one.logs.filter((line) => line.includes('NOPERM'));
    expect(warnings).toEqual([expect.stringContaining('does not report changes of keys')]);
    expect(warnings.join()).not.toContain('s3cret');
    const other = await openFeed(limited, 'app:cache:', 'tracking');
    await other.untilArmed();

    await other.feed.announce(['app:cache:key']);
    await one.untilTold('app:cache:key');
    await one.feed.announce(['app:cache:back']);
    await other.untilTold('app:cache:back');

    expect(one.told).toEqual(['armed', 'app:cache:key', 'app:cache:back']);
  });

  it('falls back also when it is refused after a time of tracking', async () => {
    await server.call('ACL', 'SETUSER', 'limited', '+client|tracking');
    const limited = { mode: 'standalone', url: server.url, username: 'limited', password: 's3cret' } as const;
    const one = await openFeed(limited, 'app:cache:', 'tracking');
    await one.untilArmed();

    await server.call('ACL', 'SETUSER', 'limited', '-client|tracking');
    await server.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await one.untilTold('gap');
    await one.untilArmed();
    await one.feed.announce(['app:cache:key']);
    await one.untilTold('app:cache:key');

    expect(one.told).toEqual(['armed', 'gap', 'armed', 'app:cache:key']);
  });
});

describe('a feed by broadcasts', () => {
  const head = 'app:cache:{changes}';
  const log = `${head}:log`;
  const script = readFileSync(new URL('../../libs/cache/src/coherence/announce.lua', import.meta.url), 'utf8');
  let server: RedisServer;
  let proxy: TcpProxy;

  beforeEach(async () => {
    server = await startStandalone();
    proxy = await startProxy(server);
  });
  afterEach(async () => {
    await proxy.stop();
    await server.stop();
  });

  const open = (): ReturnType<typeof openFeed> => {
    const url = `redis://${proxy.host}:${proxy.port}`;
    return openFeed({ mode: 'standalone', url, breaker: { failures: 100 } }, 'app:cache:', 'broadcast');
  };
  let random = 1;
  /** The command by which a process announces messages. */
  const announcing = (...messages: string[][]): (string | number)[] => {
    const limits = [10_000, 600_000, 86_400_000];
    return ['EVAL', script, 2, head, log, head, ++random, ...limits, ...messages.map((keys) => JSON.stringify(keys))];
  };
  const cutSubscriptions = ['CLIENT', 'KILL', 'TYPE', 'pubsub'];
  /** Runs commands with nothing in between: whatever happens to a feed happens before or after all of them. */
  const atOnce = async (...commands: (string | number | Buffer)[][]): Promise<void> => {
    await server.call('MULTI');
    for (const command of commands) await server.call(...command);
    for (const reply of (await server.call('EXEC')) as unknown[]) if (reply instanceof Error) throw reply;
  };
  /** After which everything is told that was announced before. */
  const marker = async (one: Awaited<ReturnType<typeof open>>): Promise<void> => {
    await server.call(...announcing(['app:cache:marker']));
    await one.untilTold('app:cache:marker');
  };

  it('replays what was announced while its subscription was cut', async () => {
    const one = await open();
    await one.untilArmed();
    await server.call(...announcing(['app:cache:before']));
    await one.untilTold('app:cache:before');

    await atOnce(cutSubscriptions, announcing(['app:cache:1', 'app:cache:2'], ['app:cache:3']));
    await one.untilTold('app:cache:3');
    await eventually('it listens again', async () => {
      const [, listeners] = (await server.call('PUBSUB', 'NUMSUB', head)) as [string, number];
      return listeners === 1;
    });
    await marker(one);

    expect(one.told).toEqual(['armed', 'before', '1', '2', '3', 'marker'].map(named));
  });

  it('replays more than one read of the log returns', async () => {
    const one = await open();
    await one.untilArmed();
    const keys = Array.from({ length: 650 }, (_, index) => `app:cache:${index}`);

    await atOnce(cutSubscriptions, announcing(...keys.map((key) => [key])));
    await one.untilTold(keys.at(-1)!);
    await marker(one);

    expect(one.told).toEqual(['armed', ...keys, 'app:cache:marker']);
  });

  it.each<[what: string, act: () => Promise<void>]>([
    [
      'trimmed',
      () => atOnce(cutSubscriptions, announcing(['app:cache:1'], ['app:cache:2']), ['XTRIM', log, 'MAXLEN', 1]),
    ],
    ['flushed', () => atOnce(['FLUSHALL'])],
    ['flushed and as long as before', () => atOnce(cutSubscriptions, ['FLUSHALL'], announcing(['a'], ['b']))],
    ['flushed and longer than before', () => atOnce(['FLUSHALL'], announcing(['a'], ['b'], ['c'], ['d']))],
    ['evicted', () => atOnce(cutSubscriptions, announcing(['app:cache:1']), ['DEL', log])],
    ['without its last ID', () => atOnce(cutSubscriptions, announcing(['a']), ['DEL', head], announcing(['b']))],
    ['broken by somebody', () => atOnce(['SET', head, 'nonsense'], announcing(['a']))],
    ['given an ID that no stream can take', () => atOnce(['SET', head, `${'9'.repeat(25)}-1`])],
    ['given such an ID and went on', () => atOnce(['SET', head, `${'9'.repeat(25)}-1`], announcing(['a']))],
  ])('reports that anything may have changed when the log was %s', async (_, act) => {
    const one = await open();
    await one.untilArmed();
    await server.call(...announcing(['app:cache:1'], ['app:cache:2']));
    await one.untilTold('app:cache:2');

    await act();
    await one.untilTold(null);
    await marker(one);

    expect(one.feed.armed).toBe(true);
    expect(one.told.filter((what) => what === null)).toHaveLength(1);
    expect(one.told).not.toContain('gap');
  });

  it('reports that anything may have changed when a failover has lost the end of the log', async () => {
    const one = await open();
    await one.untilArmed();
    await server.call(...announcing(['app:cache:1']));
    const replica = await Promise.all([head, log].map((key) => dump(server, key)));
    await server.call(...announcing(['app:cache:2'], ['app:cache:3']));
    await one.untilTold('app:cache:3');

    const restored = [head, log].map((key, at) => ['RESTORE', key, 0, replica[at]!, 'REPLACE']);
    await atOnce(cutSubscriptions, ...restored, announcing(['app:cache:4'], ['app:cache:5']));
    await one.untilTold(null);
    await marker(one);

    expect(one.told).toEqual(['armed', '1', '2', '3', null, 'marker'].map(named));
  });

  it('is not disturbed by what others publish on its channel', async () => {
    const one = await open();
    await one.untilArmed();
    await server.call(...announcing(['app:cache:1']));
    const last = String(await server.call('GET', head));
    const id = `2-${'9'.repeat(15)}`;
    const messages = [
      '',
      'nonsense',
      'null',
      '[]',
      '{"after":1,"id":2,"keys":[]}',
      JSON.stringify({ after: last, id, keys: 'app:cache:x' }),
      JSON.stringify({ after: last, id, keys: [1] }),
      JSON.stringify({ after: last, id: `${'9'.repeat(30)}-1`, keys: [] }),
      JSON.stringify({ after: last, id: '+ -', keys: [] }),
      JSON.stringify({ after: '7-7', id: '8-8', keys: ['app:cache:x'] }),
    ];

    for (const message of messages) await server.call('PUBLISH', head, message);
    await marker(one);
    expect(one.told).toEqual(['armed', '1', 'marker'].map(named));

    // One that fits is believed, and found out by the log: no message after it is missed.
    const before = String(await server.call('GET', head));
    const forged = JSON.stringify({ after: before, id: `999999-${'9'.repeat(15)}`, keys: ['app:cache:forged'] });
    await atOnce(['PUBLISH', head, forged], announcing(['app:cache:2']));
    await one.untilTold(null);
    await server.call(...announcing(['app:cache:3']));
    await one.untilTold('app:cache:3');
    expect(one.feed.armed).toBe(true);
  });

  it('reports a gap within two seconds when its server falls silent, and all that it missed before it is armed', async () => {
    const one = await open();
    await one.untilArmed();
    const startedAt = performance.now();
    const gap = new Promise<number>((resolve) =>
      one.feed.on({ armed: () => undefined, changed: () => undefined, gap: () => resolve(performance.now()) }),
    );

    proxy.blackhole();
    await server.call(...announcing(['app:cache:missed']));
    expect((await gap) - startedAt).toBeLessThan(2_200);
    const refused = await outcomeOf(one.feed.announce(['app:cache:key']));
    expect(refused.error).toMatchObject({ code: expect.stringMatching(/^REDIS_/) });
    proxy.heal();
    await one.untilArmed();

    expect(one.told).toEqual(['armed', 'gap', 'app:cache:missed', 'armed']);
  });

  it('announces all keys of one tick in one message, each once, whatever characters they have', async () => {
    const one = await open();
    await one.untilArmed();
    const odd = ['app:cache:"', 'app:cache:\\', "app:cache:'\n", 'app:cache:ключ', 'app:cache:\u2028', 'app:cache:]}'];

    await Promise.all([...odd, ...odd].map((key) => one.feed.announce([key])));
    await one.untilTold(odd.at(-1)!);

    expect(one.told).toEqual(['armed', ...odd]);
    expect(await server.call('XLEN', log)).toBe(1);
    expect(await server.call('GET', head)).toMatch(/^1-\d+$/);
  });

  it('splits what is too much for one message, and keeps no more of it than the log may hold', async () => {
    const one = await open();
    await one.untilArmed();
    const keys = Array.from({ length: 12_345 }, (_, index) => `app:cache:${index}`);

    await one.feed.announce(keys);
    await one.untilTold(keys.at(-1)!);

    expect(one.told).toEqual(['armed', ...keys]);
    expect(await server.call('XLEN', log)).toBe(124);
    for (let round = 0; round < 12; round++) {
      await server.call(...announcing(...Array.from({ length: 1_000 }, () => [])));
    }
    expect(await server.call('XLEN', log)).toBeLessThan(10_200);
    expect(await server.call('PTTL', log)).toBeGreaterThan(0);
    expect(await server.call('PTTL', head)).toBeGreaterThan(0);
  });

  it('loses nothing that was announced, though its links are cut again and again', async () => {
    const one = await open();
    const other = await open();
    await one.untilArmed();
    const mirror = new Mirror((key) => server.call('GET', key));
    one.feed.on(mirror);
    mirror.armed();
    const keys = Array.from({ length: 300 }, (_, index) => `app:cache:${index}`);
    const startedAt = performance.now();
    const repeatedly = async (forMs: number, act: (round: number) => Promise<unknown>): Promise<void> => {
      for (let round = 0; performance.now() < startedAt + forMs; round++) {
        await act(round);
        await new Promise(setImmediate);
      }
    };

    await Promise.all([
      repeatedly(3_000, async (round) => {
        const key = keys[(round * 7) % keys.length]!;
        await server.call('SET', key, round);
        // Tried until it is certain: its own links are cut, too.
        await eventually('it is announced', async () => !(await outcomeOf(other.feed.announce([key]))).error);
      }),
      repeatedly(3_000, (round) => mirror.fill(keys[(round * 11) % keys.length]!)),
      repeatedly(2_500, async (round) => {
        await server.call('CLIENT', 'KILL', 'TYPE', round % 4 === 0 ? 'normal' : 'pubsub', 'SKIPME', 'yes');
        await new Promise((resolve) => setTimeout(resolve, 40 + (round % 7) * 10));
      }),
    ]);
    await marker(one);

    expect(one.told).not.toContain(null);
    expect(mirror.held().size).toBeGreaterThan(50);
    const held = [...mirror.held().keys()];
    const values = (await server.call('MGET', ...held)) as string[];
    expect(Object.fromEntries(mirror.held())).toEqual(Object.fromEntries(held.map((key, at) => [key, values[at]])));
  });
});

function named(what: string | null): Told {
  return what === null || what === 'armed' ? what : `app:cache:${what}`;
}

/** DUMP, of which the reply is no text. */
async function dump(server: RedisServer, key: string): Promise<Buffer> {
  const { connection } = await openConnection({ mode: 'standalone', url: server.url });
  return (await connection.call('dump', [key], { reply: 'buffer' })) as Buffer;
}
