import { describe, expect, it } from '@jest/globals';
import { RedisOptionsError } from './redis.errors.js';
import { resolveRedisOptions } from './redis.options.js';
import { redisOptionsFromEnv } from './redis-options-from-env.js';

const resolvedDefault = (env: Record<string, string>): unknown =>
  resolveRedisOptions(redisOptionsFromEnv(env)).connections.get('default');

describe('Redis options from the environment', () => {
  it('are an embedded connection when no variable says otherwise', () => {
    expect(redisOptionsFromEnv({ PATH: '/bin', REDIS_URL: '', REDIS_HOST: undefined })).toEqual({
      connections: { default: { mode: 'embedded' } },
    });
  });

  it('come from the environment of the process unless another is given', () => {
    const before = process.env['REDIS_SPEC_ONLY_URL'];
    process.env['REDIS_SPEC_ONLY_URL'] = 'redis://spec';

    const { connections } = redisOptionsFromEnv();
    if (before === undefined) delete process.env['REDIS_SPEC_ONLY_URL'];

    expect(connections).toMatchObject({ spec_only: { mode: 'standalone', url: 'redis://spec' } });
  });

  it('REDIS_URL makes the connection "default", with what the other variables say about it', () => {
    const env = {
      REDIS_URL: 'redis://host:6380',
      REDIS_USERNAME: 'shop',
      REDIS_PASSWORD: 'pw',
      REDIS_DB: '2',
      REDIS_TLS: 'true',
      REDIS_CONNECTION_TIMEOUT: '3s',
      REDIS_COMMAND_TIMEOUT: '500ms',
    };

    expect(resolvedDefault(env)).toMatchObject({
      mode: 'standalone',
      address: { host: 'host', port: 6380 },
      username: 'shop',
      password: 'pw',
      db: 2,
      tls: {},
      connectTimeoutMs: 3_000,
      commandTimeoutMs: 500,
    });
  });

  it('REDIS_<NAME>_URL makes a connection of that name, with the timeouts but not the credentials of the default one', () => {
    const env = {
      REDIS_URL: 'redis://a',
      REDIS_PASSWORD: 'pw of a',
      REDIS_TLS: '1',
      REDIS_SESSION_URL: 'redis://b/1',
      REDIS_RATE_LIMIT_URL: 'rediss://c',
      REDIS_COMMAND_TIMEOUT: '2s',
      REDIS_EMPTY_URL: '',
    };

    const { connections } = redisOptionsFromEnv(env);

    expect(Object.keys(connections!)).toEqual(['default', 'session', 'rate_limit']);
    expect(connections!['session']).toEqual({ mode: 'standalone', url: 'redis://b/1', commandTimeout: '2s' });
    expect(connections!['rate_limit']).toEqual({ mode: 'standalone', url: 'rediss://c', commandTimeout: '2s' });
  });

  it('a named connection does not take the default one away', () => {
    expect(redisOptionsFromEnv({ REDIS_SESSION_URL: 'redis://b' }).connections).toEqual({
      default: { mode: 'embedded' },
      session: { mode: 'standalone', url: 'redis://b' },
    });
  });

  it.each([
    [{ REDIS_HOST: 'cache.internal' }, { host: 'cache.internal', port: 6379 }],
    [
      { REDIS_HOST: 'cache.internal', REDIS_PORT: '6380' },
      { host: 'cache.internal', port: 6380 },
    ],
    [{ REDIS_PORT: '6380' }, { host: 'localhost', port: 6380 }],
    [
      { REDIS_HOST: '::1', REDIS_PORT: '6380' },
      { host: '::1', port: 6380 },
    ],
    [{ REDIS_HOST: '[::1]' }, { host: '::1', port: 6379 }],
    [{ REDIS_HOST: '10.0.0.1' }, { host: '10.0.0.1', port: 6379 }],
  ])('%j makes a standalone connection', (env, address) => {
    expect(resolvedDefault(env as Record<string, string>)).toMatchObject({ mode: 'standalone', address });
  });

  it('REDIS_HOST goes with user, password, database and TLS, whatever characters they have', () => {
    const env = {
      REDIS_HOST: 'host',
      REDIS_USERNAME: 'a:b',
      REDIS_PASSWORD: 'p@ss/w%rd',
      REDIS_DB: '1',
      REDIS_TLS: '1',
    };

    expect(resolvedDefault(env)).toMatchObject({ username: 'a:b', password: 'p@ss/w%rd', db: 1, tls: {} });
  });

  it('REDIS_SENTINEL_HOSTS and REDIS_SENTINEL_NAME make a sentinel connection', () => {
    const env = {
      REDIS_SENTINEL_HOSTS: 's1:26380, s2 ,[::1]:26381,[fe80::2]',
      REDIS_SENTINEL_NAME: 'mymaster',
      REDIS_PASSWORD: 'pw',
      REDIS_DB: '4',
      REDIS_COMMAND_TIMEOUT: '2s',
    };

    expect(resolvedDefault(env)).toMatchObject({
      mode: 'sentinel',
      group: 'mymaster',
      sentinels: [
        { host: 's1', port: 26380 },
        { host: 's2', port: 26379 },
        { host: '::1', port: 26381 },
        { host: 'fe80::2', port: 26379 },
      ],
      password: 'pw',
      db: 4,
      commandTimeoutMs: 2_000,
    });
  });

  it('REDIS_CLUSTER_NODES makes a cluster connection', () => {
    expect(
      resolvedDefault({ REDIS_CLUSTER_NODES: 'n1:7000,n2', REDIS_TLS: 'TRUE', REDIS_USERNAME: 'shop' }),
    ).toMatchObject({
      mode: 'cluster',
      nodes: [
        { host: 'n1', port: 7000 },
        { host: 'n2', port: 6379 },
      ],
      tls: {},
      username: 'shop',
    });
  });

  it('prefer REDIS_URL to REDIS_CLUSTER_NODES, that to the sentinels, and those to REDIS_HOST', () => {
    const host = { REDIS_HOST: 'host' };
    const sentinel = { ...host, REDIS_SENTINEL_HOSTS: 's1', REDIS_SENTINEL_NAME: 'm' };
    const cluster = { ...sentinel, REDIS_CLUSTER_NODES: 'n1' };
    const url = { ...cluster, REDIS_URL: 'redis://url' };

    expect(resolvedDefault(sentinel)).toMatchObject({ mode: 'sentinel' });
    expect(resolvedDefault(cluster)).toMatchObject({ mode: 'cluster' });
    expect(resolvedDefault(url)).toMatchObject({ mode: 'standalone', address: { host: 'url' } });
  });

  it.each(['false', '0', 'FALSE', ''])('REDIS_TLS=%s is no TLS', (text) => {
    expect(resolvedDefault({ REDIS_HOST: 'host', REDIS_TLS: text })).toMatchObject({ tls: undefined });
  });
});

describe('Environment variables that cannot be read', () => {
  function mistakesIn(env: Record<string, string>): readonly string[] {
    try {
      redisOptionsFromEnv(env);
    } catch (error) {
      if (error instanceof RedisOptionsError) return error.mistakes;
      throw error;
    }
    return [];
  }

  it('are all listed at once, each with the fix', () => {
    const mistakes = mistakesIn({
      REDIS_SENTINEL_HOSTS: 's1:x,,s2:26379',
      REDIS_DB: 'two',
      REDIS_TLS: 'yes',
      REDIS_SESSION_URL: 'localhost',
      REDIS_COMMAND_TIMEOUT: '500',
      REDIS_CONNECTION_TIMEOUT: '2 s',
    });

    expect(mistakes).toEqual(
      expect.arrayContaining([
        'REDIS_TLS is "yes". Write true or false.',
        'REDIS_DB is "two". Write a whole number.',
        'REDIS_SENTINEL_NAME is missing. Give the name of the master group beside REDIS_SENTINEL_HOSTS.',
        'REDIS_SENTINEL_HOSTS has an entry that is not an address. Write host:port, separated by commas.',
        expect.stringMatching(/session\.url is not a Redis URL\. Write redis:/),
        expect.stringMatching(/commandTimeout is "500"\. Write the unit: '500ms'\.$/),
        expect.stringMatching(/connectTimeout is "2 s"\. Write a positive number with its unit/),
      ]),
    );
  });

  it.each([
    [{ REDIS_PORT: '6379a' }, 'REDIS_PORT is "6379a". Write a whole number.'],
    [{ REDIS_PORT: '-1' }, 'REDIS_PORT is "-1". Write a whole number.'],
    [
      { REDIS_CLUSTER_NODES: 'redis://:s3cret@n1' },
      'REDIS_CLUSTER_NODES has an entry that is not an address. Write host:port, separated by commas.',
    ],
    [
      { REDIS_CLUSTER_NODES: 'n1,::1' },
      'REDIS_CLUSTER_NODES has an entry that is not an address. Write host:port, separated by commas.',
    ],
  ])('such as %j are named', (env, mistake) => {
    expect(mistakesIn(env as Record<string, string>)).toContain(mistake);
  });

  it('include a port that is none', () => {
    expect(mistakesIn({ REDIS_PORT: '70000' })).toHaveLength(1);
    expect(mistakesIn({ REDIS_CLUSTER_NODES: 'n1:0' })).toHaveLength(1);
  });

  it('never show a password', () => {
    const mistakes = mistakesIn({ REDIS_URL: 'redis//:s3cret@host', REDIS_PASSWORD: 's3cret', REDIS_DB: 'x' });

    expect(mistakes).toHaveLength(2);
    expect(mistakes.join()).not.toContain('s3cret');
  });

  it('does not take the port that Kubernetes announces for a service named redis', () => {
    const options = redisOptionsFromEnv({ REDIS_PORT: 'tcp://10.0.0.11:6379' });

    expect(options.connections).toEqual({ default: { mode: 'embedded' } });
  });
});
