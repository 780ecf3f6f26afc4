import { Redis } from 'ioredis';
import type { AcceptedWrite } from '../history/history.js';

// Lets in who has a token that is not lower than any before, and keeps who that was.
const ADMIT = `
local highest = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) < highest then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('RPUSH', KEYS[2], ARGV[1] .. ' ' .. ARGV[2])
return 1`;

const ROOT = 'resource';

/** What guards itself by fencing tokens alone, on a server of its own. */
export class FencedResource {
  readonly #redis: Redis;

  constructor(url: string) {
    this.#redis = new Redis(url, { lazyConnect: true });
  }

  connect(): Promise<void> {
    return this.#redis.connect();
  }

  /** Whether a reader or writer with this token is let in. */
  async admit(key: string, token: bigint, by: string): Promise<boolean> {
    const keys = [`${ROOT}:{${key}}:highest`, `${ROOT}:{${key}}:log`];
    return (await this.#redis.eval(ADMIT, 2, ...keys, String(token), by)) === 1;
  }

  /** Who was let in, in that order. */
  async accepted(keys: readonly string[]): Promise<Map<string, AcceptedWrite[]>> {
    const logs = await Promise.all(keys.map((key) => this.#redis.lrange(`${ROOT}:{${key}}:log`, 0, -1)));
    return new Map(keys.map((key, index) => [key, logs[index]!.map(readLine)]));
  }

  close(): void {
    this.#redis.disconnect();
  }
}

function readLine(line: string): AcceptedWrite {
  const [token = '', by = ''] = line.split(' ');
  return { token: BigInt(token), by };
}
