import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RedisOptionsError } from './redis.errors.js';
import { resolveRedisOptions, type ResolvedConnection } from './redis.options.js';

/** The options as JavaScript or a configuration file may give them. */
const resolve = (options: unknown): ReturnType<typeof resolveRedisOptions> => resolveRedisOptions(options as object);
const resolveDefault = (connection: unknown): ResolvedConnection | undefined =>
  resolve({ connections: { default: connection } }).connections.get('default');

function mistakesIn(options: unknown): readonly string[] {
  try {
    resolve(options);
  } catch (error) {
    if (error instanceof RedisOptionsError) return error.mistakes;
    throw error;
  }
  return [];
}

describe('The options of RedisModule', () => {
  it('need not be given: there is one embedded connection named "default"', () => {
    const resolved = resolveRedisOptions();

    expect(resolved.namespace).toBe('app');
    expect([...resolved.connections]).toEqual([['default', { mode: 'embedded' }]]);
  });

  it('have a default for all but the address of a server', () => {
    expect(resolveDefault({ mode: 'standalone', url: 'redis://localhost' })).toEqual({
      mode: 'standalone',
      address: { host: 'localhost', port: 6379 },
      db: 0,
      username: undefined,
      password: undefined,
      tls: undefined,
      connectTimeoutMs: 2_000,
      commandTimeoutMs: 1_000,
      silenceMs: 1_000,
      breaker: { failures: 5, resetAfterMs: 30_000 },
    });
    expect(
      resolveDefault({ mode: 'sentinel', name: 'mymaster', sentinels: [{ host: 's1', port: 26379 }] }),
    ).toMatchObject({
      sentinels: [{ host: 's1', port: 26379 }],
      group: 'mymaster',
      db: 0,
      sentinelUsername: undefined,
      sentinelPassword: undefined,
      sentinelTls: undefined,
      readFrom: 'master',
    });
    expect(resolveDefault({ mode: 'cluster', nodes: [{ host: 'n1', port: 7000 }] })).toMatchObject({
      nodes: [{ host: 'n1', port: 7000 }],
      readFrom: 'master',
    });
  });

  it('are all taken as they are given', () => {
    const common = {
      username: 'shop',
      password: 'pw',
      tls: { servername: 'redis.internal' },
      connectTimeout: '5s',
      commandTimeout: '250ms',
      silenceTimeout: '3s',
      breaker: { failures: 2, resetAfter: '1m' },
      readFrom: 'replica',
    };
    const sentinel = {
      mode: 'sentinel',
      name: 'm',
      sentinels: [{ host: 's1', port: 1 }],
      db: 3,
      sentinelUsername: 'su',
      sentinelPassword: 'sp',
      sentinelTls: true,
    };

    expect(resolveDefault({ ...common, ...sentinel })).toEqual({
      mode: 'sentinel',
      sentinels: [{ host: 's1', port: 1 }],
      group: 'm',
      db: 3,
      username: 'shop',
      password: 'pw',
      tls: { servername: 'redis.internal' },
      connectTimeoutMs: 5_000,
      commandTimeoutMs: 250,
      silenceMs: 3_000,
      breaker: { failures: 2, resetAfterMs: 60_000 },
      sentinelUsername: 'su',
      sentinelPassword: 'sp',
      sentinelTls: {},
      readFrom: 'replica',
    });
  });

  it('wait for a silent link as long as for a command, unless told otherwise', () => {
    expect(resolveDefault({ mode: 'cluster', nodes: [{ host: 'n', port: 1 }], commandTimeout: '4s' })).toMatchObject({
      silenceMs: 4_000,
    });
  });

  it('may name several connections, also without a default one', () => {
    const { connections } = resolve({
      namespace: 'shop',
      connections: { cache: { mode: 'embedded' }, 'session.eu-1': { mode: 'embedded' } },
    });

    expect([...connections.keys()]).toEqual(['cache', 'session.eu-1']);
  });
});

describe('The URL of a standalone server', () => {
  it.each([
    ['redis://localhost', { address: { host: 'localhost', port: 6379 }, db: 0 }],
    ['redis://10.0.0.1:6380/2', { address: { host: '10.0.0.1', port: 6380 }, db: 2 }],
    ['redis://localhost/', { db: 0 }],
    ['redis://[::1]:6380', { address: { host: '::1', port: 6380 } }],
    ['redis://shop:p%40ss%3A@host', { username: 'shop', password: 'p@ss:', address: { host: 'host', port: 6379 } }],
    ['redis://:only-a-password@host', { username: undefined, password: 'only-a-password' }],
    ['redis://host', { tls: undefined }],
    ['rediss://host', { tls: {} }],
    ['unix:///run/redis/redis.sock', { address: { path: '/run/redis/redis.sock' }, db: 0 }],
    ['unix:///run/with%20space.sock?db=3', { address: { path: '/run/with space.sock' }, db: 3 }],
  ])('%s says where and as whom', (url, expected) => {
    expect(resolveDefault({ mode: 'standalone', url })).toMatchObject(expected);
  });

  it('gives way to the options beside it', () => {
    const resolved = resolveDefault({
      mode: 'standalone',
      url: 'rediss://a:b@host/1',
      username: 'c',
      password: 'd',
      db: 2,
      tls: { ca: 'mine' },
    });

    expect(resolved).toMatchObject({ username: 'c', password: 'd', db: 2, tls: { ca: 'mine' } });
  });

  it.each([
    ['localhost:6379'],
    ['localhost'],
    ['http://localhost:6379'],
    ['redis://'],
    ['redis://host:99999'],
    ['redis://host:port'],
    ['redis://host/one'],
    ['redis://:%zz@host'],
    ['unix://'],
    ['unix:///run/redis.sock?db=one'],
    [''],
    [6379],
    [undefined],
  ])('%p is refused with an example of a right one', (url) => {
    expect(mistakesIn({ connections: { default: { mode: 'standalone', url } } })).toEqual([
      'connections.default.url is not a Redis URL. Write redis://host:6379, rediss://host:6379 for TLS, or unix:///path/to/socket.',
    ]);
  });
});

describe('Wrong options of RedisModule', () => {
  it('are all listed at once, each with what it is and what to write', () => {
    const mistakes = mistakesIn({
      namespace: 'my app',
      isGlobal: true,
      conections: {},
      connections: {
        default: {
          mode: 'standalone',
          url: 'localhost',
          commandTimeout: 500,
          db: -1,
          readFrom: 'replica',
          breaker: { failures: 0, resetAfter: '0s', after: 1 },
        },
        sessions: { mode: 'sentinel', sentinels: [{ host: '', port: '26379', weight: 1 }], tls: 'yes', sentinelTls: 1 },
        queue: { mode: 'cluster', nodes: [], db: 2, username: 7 },
        jobs: { mode: 'single' },
        cache: { mode: 'embedded', url: 'redis://localhost' },
        old: null,
        'ill named': { mode: 'embedded' },
      },
    });

    expect(mistakes).toEqual(
      expect.arrayContaining([
        'options.namespace is "my app". Use letters, digits, ".", "_" and "-", at most 64.',
        'options.conections is not an option. Known here: namespace, isGlobal, connections.',
        expect.stringContaining('connections.default.url is not a Redis URL.'),
        "connections.default.commandTimeout is 500. Write the unit: '500ms'.",
        'connections.default.db is -1. Give a whole number of 0 or more.',
        'connections.default.readFrom is "replica". Use one of \'master\'.',
        'connections.default.breaker.failures is 0. Give a whole number of 1 or more.',
        expect.stringContaining(
          'connections.default.breaker.resetAfter is "0s". Write a positive number with its unit',
        ),
        'connections.default.breaker.after is not an option. Known here: failures, resetAfter.',
        'connections.sessions.sentinels[0].host is empty. Give a host name or an IP address.',
        'connections.sessions.sentinels[0].port is "26379". Give a port from 1 to 65535, as a number.',
        'connections.sessions.sentinels[0].weight is not an option. Known here: host, port.',
        'connections.sessions.name is missing. Give the name of the master group, for example "mymaster".',
        'connections.sessions.tls is of type string. Give true, or an object with options of tls.connect().',
        'connections.sessions.sentinelTls is of type number. Give true, or an object with options of tls.connect().',
        "connections.queue.nodes is empty. Give a list such as [{ host: 'localhost', port: 6379 }].",
        expect.stringMatching(/^connections\.queue\.db is not an option\. Known here: /),
        'connections.queue.username is of type number. Give a string.',
        "connections.jobs.mode is \"single\". Use one of 'embedded', 'standalone', 'sentinel', 'cluster'.",
        'connections.cache.url is not an option. Known here: mode.',
        'connections.old is null. Give an object.',
        'options.connections has the name "ill named". Use letters, digits, ".", "_" and "-".',
      ]),
    );
  });

  it('make one message with a line for each', () => {
    expect(() => resolve({ namespace: '', connections: { default: { mode: 'none' } } })).toThrow(
      new RedisOptionsError([
        'options.namespace is "". Use letters, digits, ".", "_" and "-", at most 64.',
        "connections.default.mode is \"none\". Use one of 'embedded', 'standalone', 'sentinel', 'cluster'.",
      ]),
    );
    expect(new RedisOptionsError(['one', 'two']).message).toBe('RedisModule has wrong options:\n  - one\n  - two');
  });

  it.each([[null], ['redis://localhost'], [[]], [7]])('may be no options at all: %p', (options) => {
    expect(mistakesIn(options)).toEqual([expect.stringMatching(/^options is .+\. Give an object\.$/)]);
  });

  it('may be connections without a single one', () => {
    expect(mistakesIn({ connections: {} })).toEqual([
      expect.stringMatching(/^options\.connections is .+ Give at least one entry by name\.$/),
    ]);
  });

  it('may be an unknown name, and one whose value is undefined is none', () => {
    expect(mistakesIn({ connections: { default: { mode: 'embedded', url: undefined } }, prefix: undefined })).toEqual(
      [],
    );
  });

  it('never show a secret', () => {
    const secret = fc.stringMatching(/^[A-Za-z0-9]{12,20}$/);
    const holders = fc.constantFrom<(secret: string) => unknown>(
      (text) => ({ mode: 'standalone', url: `redis://user:${text}@host:port` }),
      (text) => ({ mode: 'standalone', url: `http://user:${text}@host` }),
      (text) => ({ mode: 'standalone', url: `redis://:${text}%@host` }),
      (text) => ({ mode: 'standalone', url: `:${text}@host:6379` }),
      (text) => ({ mode: 'standalone', url: { text } }),
      (text) => ({ mode: 'standalone', url: 'redis://host', password: [text] }),
      (text) => ({ mode: 'standalone', url: 'redis://host', pasword: text }),
      (text) => ({ mode: 'standalone', url: 'redis://host', username: { text } }),
      (text) => ({ mode: 'standalone', url: 'redis://host', tls: text }),
      (text) => ({ mode: 'sentinel', name: 'm', sentinels: [{ host: 's', port: 1 }], sentinelPassword: { text } }),
      (text) => ({ mode: 'sentinel', name: { text }, sentinels: text }),
      (text) => ({ mode: 'cluster', nodes: [`redis://:${text}@host:6379`] }),
      (text) => `redis://:${text}@host:6379`,
    );

    fc.assert(
      fc.property(secret, holders, (text, holder) => {
        const mistakes = mistakesIn({ connections: { default: holder(text) } });

        expect(mistakes).not.toEqual([]);
        expect(mistakes.join()).not.toContain(text);
      }),
    );
  });
});
