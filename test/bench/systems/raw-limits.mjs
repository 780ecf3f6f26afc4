import { Redis } from 'ioredis';

const PERIOD_MS = 3_600_000;
const SUBJECTS = 1_000;
const LIMIT = 1_000_000_000;
// What most applications have: a counter that expires.
const HIT = `
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return n`;

/** The least that a limiter on Redis can be: a counter by a script. */
export async function open({ url, scenario }) {
  const client = new Redis(url);
  client.defineCommand('hit', { numberOfKeys: 1, lua: HIT });
  const hit = async (name, limit = LIMIT) => ({ allowed: (await client.hit(name, PERIOD_MS)) <= limit });
  const denied = () => hit('app:limit:{all}', 1);
  if (scenario.denies) await denied();
  return {
    operations: {
      one: (index) => hit(`app:limit:{user:${index % SUBJECTS}}`),
      three: async (index) => {
        const calls = ['a', 'b', 'c'].map((policy) => hit(`app:limit:{user:${index % SUBJECTS}}:${policy}`));
        return { allowed: (await Promise.all(calls)).every(({ allowed }) => allowed) };
      },
      denied,
      // Named as nuthatch names the state of the same subject.
      fill: (index) => hit(`app:limit:{user%3A${1_000_000 + index}}`),
      fillShortName: (index) => hit(`user:${1_000_000 + index}`),
    },
    close: () => client.quit(),
  };
}
