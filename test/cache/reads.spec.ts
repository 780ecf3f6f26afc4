import { brotliCompressSync } from 'node:zlib';
import { startProxy, startStandalone, type RedisServer } from '../harness/index.js';
import { outcomeOf } from '../redis/open-connection.js';
import { closeCaches, openCache } from './open-cache.js';

afterEach(closeCaches);

const namesOf = (count: number): string[] => Array.from({ length: count }, (_, index) => `key-${index}`);

describe('reads of one moment', () => {
  let server: RedisServer;

  beforeAll(async () => {
    server = await startStandalone();
  });
  afterAll(() => server.stop());
  beforeEach(() => server.call('FLUSHALL'));

  const open = () => openCache({ mode: 'standalone', url: server.url }, { local: false });

  /** How many times the server has run MGET during `run`: the cache itself asks for single keys by other commands. */
  async function readsDuring(run: () => Promise<unknown>): Promise<number> {
    const count = async (): Promise<number> => (await server.commandStats()).mget?.calls ?? 0;
    const before = await count();
    await run();
    return (await count()) - before;
  }

  it('leave as one command after the first, and each gets its own value', async () => {
    const { cache } = await open();
    const keys = namesOf(60);
    await cache.setMany(keys.map((key) => [key, { key }]));
    let values: unknown[] = [];

    const reads = await readsDuring(async () => {
      values = await Promise.all([...keys, 'missing'].map((key) => cache.get(key)));
    });

    expect(reads).toBe(1);
    expect(values).toEqual([...keys.map((key) => ({ key })), undefined]);
  });

  it('of tagged entries ask for the state of the tags once', async () => {
    const { cache } = await open();
    const keys = namesOf(40);
    await cache.setMany(
      keys.map((key) => [key, key]),
      { tags: ['all'] },
    );
    const read = (): Promise<unknown[]> => Promise.all(keys.map((key) => cache.get(key)));

    const reads = await readsDuring(async () => expect(await read()).toEqual(keys));
    await cache.invalidateTags('all');

    expect(reads).toBe(2);
    expect(await read()).toEqual(keys.map(() => undefined));
  });

  it('may be of more keys than one command should have', async () => {
    const { cache } = await open();
    const keys = namesOf(350);
    await cache.setMany(keys.map((key) => [key, key]));

    expect(await Promise.all(keys.map((key) => cache.get(key)))).toEqual(keys);
  });

  it('include what is no entry, or is one of bytes, without harm to the others', async () => {
    const { cache, connection } = await open();
    await cache.setMany(namesOf(4).map((key) => [key, key]));
    const root = 'app:cache:default:';
    await connection.client.lpush(`${root}list`, 'x');
    await connection.client.set(
      `${root}bytes`,
      Buffer.concat([Buffer.from(`n1;v=${Date.now()}-1;l=60000;z=br\n`), brotliCompressSync('"from bytes"')]),
    );
    const read = (...keys: string[]): Promise<unknown[]> => Promise.all(keys.map((key) => cache.get(key)));

    expect(await read('list', 'key-0', 'key-1')).toEqual([undefined, 'key-0', 'key-1']);
    expect(await read('key-0', 'list', 'bytes', 'key-1')).toEqual(['key-0', undefined, 'from bytes', 'key-1']);
    expect(await read('bytes')).toEqual(['from bytes']);
  });

  it('settle all within their deadline when Redis does not answer', async () => {
    const proxy = await startProxy(server);
    const { cache } = await openCache(
      { mode: 'standalone', url: `redis://${proxy.host}:${proxy.port}` },
      { local: false, redisTimeout: '100ms', onOutage: 'throw' },
    );
    await cache.set('key-0', 1);
    proxy.blackhole();

    const outcomes = await Promise.all(namesOf(20).map((key) => outcomeOf(cache.get(key))));

    for (const { error, tookMs } of outcomes) {
      expect(error).toMatchObject({ code: 'REDIS_TIMEOUT' });
      expect(tookMs).toBeLessThan(1_000);
    }
    await proxy.stop();
  });
});
