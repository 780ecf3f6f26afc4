import { targetLines } from '../target.mjs';
import { defineArea } from './area.mjs';

const raw = { name: 'raw ioredis', system: 'raw-redis' };
const autoPipelining = {
  name: 'raw ioredis, auto-pipelining',
  system: 'raw-redis',
  redisOptions: { enableAutoPipelining: true },
};
const nuthatch = { name: 'nuthatch', system: 'nuthatch-redis' };

const all = (operation) => [raw, autoPipelining, nuthatch].map((contender) => ({ ...contender, operation }));
const get = { contenders: all('get'), isRight: (answer) => answer.length === 100 };
const script = {
  contenders: [...all('definedScript'), { ...nuthatch, name: 'nuthatch, RedisScript', operation: 'script' }],
  isRight: (answer) => answer > 0,
};
const publish = { contenders: all('publish'), isRight: (answer) => answer === 0 };

const faster = { what: 'the speed of raw', of: ({ speed }) => speed.median, atLeast: 1.8, unit: 'x' };
const cheaper = { what: 'of the Redis CPU of raw', of: ({ redisCpuRatio }) => redisCpuRatio, atMost: 0.25, unit: 'x' };
const noSlower = { what: 'the speed of raw', of: ({ speed }) => speed.median, atLeast: 0.95, unit: 'x' };

const TARGETS = [
  { scenario: 'get-c1', ...noSlower },
  { scenario: 'get-c64', ...faster },
  { scenario: 'get-c64', ...cheaper },
  { scenario: 'get-c64-two-cores', ...cheaper },
  { scenario: 'script-c64', ...faster },
  { scenario: 'script-c64', ...cheaper },
  { scenario: 'publish-c64', ...faster },
  { scenario: 'publish-c64', ...cheaper },
].map((target) => ({ contender: 'nuthatch', ...target }));

export const area = defineArea({
  name: 'redis',
  scenarios: [
    { name: 'get-c1', title: 'GET of 100 bytes, concurrency 1', concurrency: 1, cores: 'one', processes: 5, ...get },
    { name: 'get-c64', title: 'GET of 100 bytes, concurrency 64', concurrency: 64, cores: 'one', ...get },
    { name: 'get-c64-two-cores', title: 'GET of 100 bytes, concurrency 64', concurrency: 64, cores: 'two', ...get },
    { name: 'script-c64', title: 'EVALSHA of an INCRBY, concurrency 64', concurrency: 64, cores: 'one', ...script },
    {
      name: 'publish-c64',
      title: 'PUBLISH of 100 bytes to nobody, concurrency 64',
      concurrency: 64,
      cores: 'one',
      ...publish,
    },
  ],
  conclude: (results) => [...targetLines(TARGETS, results), ...scriptLines(results['script-c64'])],
});

/** A client can save only what Redis does around a script. */
function scriptLines(rows) {
  if (!rows) return [];
  const around = ({ redisCpuUs, scriptUs }) => redisCpuUs - scriptUs;
  const ratio = around(rows[nuthatch.name]) / around(rows[raw.name]);
  const own = rows[nuthatch.name].scriptUs.toFixed(2);
  return [
    `script-c64: the script itself takes ${own} us of Redis; of the rest nuthatch uses ${ratio.toFixed(2)}x of raw`,
  ];
}
