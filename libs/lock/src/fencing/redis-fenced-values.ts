import { readFileSync } from 'node:fs';
import { RedisScript, type CommandArgument, type ServerConnection } from '@nuthatch/redis/internal';
import { FENCE_OUTLIVES_MS, type Fenced, type FencedScript, type FencedValues } from './fenced-values.js';

const REFUSED = /^FENCED (\d+)/;

/** Values in Redis, each a hash with its token. */
export class RedisFencedValues implements FencedValues {
  readonly #fence = read('fence');
  readonly #set = new RedisScript('fenced-set', this.#fence + read('fenced-set'), 1);
  readonly #read = new RedisScript('fenced-read', this.#fence + read('fenced-read'), 1);

  constructor(private readonly connection: ServerConnection) {}

  async set(key: string, token: bigint, text: string, ttlMs: number): Promise<Fenced<undefined>> {
    return this.#run(this.#set, [key], [String(token), FENCE_OUTLIVES_MS, text, ttlMs], () => undefined);
  }

  async get(key: string, token?: bigint): Promise<Fenced<string | undefined>> {
    return this.#run(this.#read, [key], [String(token ?? ''), FENCE_OUTLIVES_MS, ''], (reply) =>
      reply === null ? undefined : String(reply),
    );
  }

  async delete(key: string, token: bigint): Promise<Fenced<boolean>> {
    return this.#run(this.#read, [key], [String(token), FENCE_OUTLIVES_MS, 'delete'], (reply) => reply !== null);
  }

  async run(key: string, token: bigint, { lua, keys, args }: FencedScript): Promise<Fenced<unknown>> {
    const script = new RedisScript('fenced', fencedScript(this.#fence, lua), 'any');
    return this.#run(script, [key, ...keys], [String(token), FENCE_OUTLIVES_MS, ...args], (reply) => reply);
  }

  /** Never sent twice: of two writes with one token nobody could tell which was the last. */
  async #run<T>(
    script: RedisScript,
    keys: readonly string[],
    args: readonly CommandArgument[],
    read: (reply: unknown) => T,
  ): Promise<Fenced<T>> {
    try {
      return { accepted: true, result: read(await this.connection.run(script, keys, args)) };
    } catch (error) {
      const highest = error instanceof Error ? REFUSED.exec(error.message)?.[1] : undefined;
      if (highest === undefined) throw error;
      return { accepted: false, highest: BigInt(highest) };
    }
  }
}

/** The script sees its own keys and arguments only, so it is written as if there were no fence. */
function fencedScript(fence: string, lua: string): string {
  return `${fence}
local refused = fence(KEYS[1], ARGV[1], ARGV[2])
if refused then
  return refused
end
local function from(list, first)
  local rest = {}
  for index = first, #list do
    rest[#rest + 1] = list[index]
  end
  return rest
end
return (function(KEYS, ARGV)
${lua}
end)(from(KEYS, 2), from(ARGV, 3))
`;
}

function read(name: string): string {
  return readFileSync(new URL(`./${name}.lua`, import.meta.url), 'utf8');
}
