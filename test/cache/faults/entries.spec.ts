import { randomBytes } from 'node:crypto';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { Redis } from 'ioredis';
import { startStandalone, type RedisServer } from '../../harness/index.js';
import { CacheProcess, closeProcesses } from './cache-process.js';

const PATIENT = { redisTimeout: '2s' } as const;
const ROOT = 'app:cache:default:';

let server: RedisServer;
let raw: Redis;
let plain: CacheProcess;
/** Reads values as bytes. */
let packing: CacheProcess;
let keys = 0;

beforeAll(async () => {
  server = await startStandalone();
  raw = new Redis(server.port, server.host);
  const connection = { mode: 'standalone', url: server.url } as const;
  [plain, packing] = await Promise.all([
    CacheProcess.start(connection, PATIENT),
    CacheProcess.start(connection, { ...PATIENT, compress: { above: '1KB' } }),
  ]);
});
afterAll(async () => {
  raw.disconnect();
  await closeProcesses();
  await server.stop();
});

const header = (fields = ''): string => `n1;v=${Date.now()}-0a0b0c0d;l=300000${fields}\n`;
const bytes = (head: string, body: Buffer): Buffer => Buffer.concat([Buffer.from(head), body]);
const hundredMegabytes = Buffer.alloc(100_000_000, ' ');
const bombs = {
  br: brotliCompressSync(hundredMegabytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
  gz: gzipSync(hundredMegabytes, { level: 1 }),
};

type Spoil = (key: string) => Promise<unknown>;

const put =
  (text: string | Buffer): Spoil =>
  (key) =>
    raw.set(key, text, 'EX', 300);

const unreadable: [string, Spoil][] = [
  ['a list', (key) => raw.lpush(key, 'x')],
  ['a hash', (key) => raw.hset(key, 'n1', 'x')],
  ['a stream', (key) => raw.xadd(key, '*', 'n1', 'x')],
  ['nothing but a header', put('n1')],
  ['an empty text', put('')],
  ['text without a header', put('{"a":1}')],
  ['an empty header', put('n1;\n"x"')],
  ['the header of a later version', put('n9;v=1-a;l=300000\n"x"')],
  ['a field of a later version', put(header(';q=1').concat('"x"'))],
  ['a header without an end', put('n1;v=1-a;t='.padEnd(20_000, 'x'))],
  ['fields without values', put('n1;v;l\n"x"')],
  ['a time to live that is no number', put('n1;v=1-a;l=soon\n"x"')],
  ['tags without a stamp', put(header(';t=a,b').concat('"x"'))],
  ['a stamp that is none', put(header(';s=zzz;t=a').concat('"x"'))],
  ['fields in another order, and no JSON', put('n1;l=300000;v=1-a\n"x')],
  ['a field twice, and no JSON', put('n1;v=1-a;v=2-b;l=300000\n"x')],
  ['JSON that was cut off', put(header().concat('{"name":"Ad'))],
  ['no JSON at all, by another program', put('n1\nundefined')],
  ['a tag of JSON that is unknown', put(header().concat('{"$unknown":1}'))],
  ['a Map that is none', put(header().concat('{"$map":{"a":1}}'))],
  ['a codec that is unknown', put(header(';c=msgpack').concat('"x"'))],
  ['an encryption that is unknown', put(bytes(header(';k=2020'), randomBytes(64)))],
  ['bytes that are no brotli', put(bytes(header(';z=br'), randomBytes(100)))],
  ['bytes that are no gzip', put(bytes(header(';z=gz'), randomBytes(100)))],
  ['100 MB in a small brotli', put(bytes(header(';z=br'), bombs.br))],
  ['100 MB in a small gzip', put(bytes(header(';z=gz'), bombs.gz))],
  [
    'an entry that was written over in its middle',
    async (key) => {
      await raw.set(key, header().concat(JSON.stringify({ name: 'Ada'.repeat(20) })), 'EX', 300);
      await raw.setrange(key, 50, '"\u0000}');
    },
  ],
  [
    'an entry whose header was written over',
    async (key) => {
      await raw.set(key, header().concat('"x"'), 'EX', 300);
      await raw.setrange(key, 3, '\n\n\n');
    },
  ],
  ...Array.from({ length: 5 }, (_, index): [string, Spoil] => [
    `random bytes ${index}`,
    put(randomBytes(10 + 200 * index)),
  ]),
  ...Array.from({ length: 5 }, (_, index): [string, Spoil] => [
    `random bytes after a header ${index}`,
    put(bytes(header(), randomBytes(1 + 200 * index))),
  ]),
];

describe.each([
  ['text', () => [plain, packing] as const],
  ['bytes', () => [packing, plain] as const],
])('for a process that reads %s', (_, processes) => {
  it.each(unreadable)('%s is a miss that is counted, and made good by the next load', async (_name, spoil) => {
    const [reader, other] = processes();
    const key = `key-${++keys}`;
    // Both hold it themselves when it is spoilt.
    await reader.cache.set(key, 'good');
    await other.cache.warm(key);
    await raw.del(ROOT + key);
    await spoil(ROOT + key);
    await raw.copy(ROOT + key, `${ROOT}${key}-copy`);
    const before = await reader.cache.stats();

    const startedAt = performance.now();
    expect(await reader.cache.get(key)).toBeUndefined();
    expect(await reader.cache.getOrSet(key, { value: { loaded: true } })).toEqual({ loaded: true });
    expect(performance.now() - startedAt).toBeLessThan(2_000);

    const { misses, unreadable: found } = await reader.cache.stats();
    expect(misses).toBeGreaterThanOrEqual(before.misses + 2);
    // To a command that reads text, something of another type looks as if it were not there.
    if ((await raw.type(`${ROOT}${key}-copy`)) === 'string') expect(found).toBeGreaterThan(before.unreadable);
    expect(await reader.cache.get(key)).toEqual({ loaded: true });
    expect(await other.cache.get(key)).toEqual({ loaded: true });
    expect(await raw.get(ROOT + key)).toMatch(/\n\{"loaded":true\}$/);
    expect(await reader.cache.pollution()).toEqual([]);
  });

  it.each([
    ['expire', 'expires'],
    ['delete', 'is deleted'],
    ['set', 'is replaced by a set'],
  ] as const)('%s of what is no entry works as if there were none: it %s', async (how, _what) => {
    const [reader] = processes();
    for (const [, spoil] of unreadable) {
      const key = `key-${++keys}`;
      await spoil(ROOT + key);
      if (how === 'set') await reader.cache.set(key, 'new');
      else await reader.cache[how](key);
      expect(await reader.cache.get(key)).toBe(how === 'set' ? 'new' : undefined);
    }
  });

  it.each([
    '{"__proto__":{"polluted":true},"a":1}',
    '[{"__proto__":{"polluted":true}}]',
    '{"a":{"__proto__":{"polluted":true}}}',
    '{"constructor":{"prototype":{"polluted":true}}}',
    '{"$map":[["__proto__",{"polluted":true}]]}',
    '{"$object":{"__proto__":{"polluted":true}}}',
    '{"__proto__":{"$date":"2026-01-01T00:00:00.000Z"}}',
  ])('%s changes no prototype', async (json) => {
    const [reader] = processes();
    const key = `key-${++keys}`;
    await put(header().concat(json))(ROOT + key);

    for (let read = 0; read < 2; read++) {
      expect(await reader.cache.foreignPrototypes(key)).toEqual([]);
    }
    expect(await reader.cache.pollution()).toEqual([]);
  });
});
