import { Redis } from 'ioredis';
import type { RedisServer } from '../../harness/index.js';

// Not asked for by any caller: whether the line of reports lives; and the questions of a spec.
const BACKGROUND = new Set(['ping', 'info']);

/** What clients send to a server, in the order in which it runs it; without what scripts do in their turn. */
export class CommandLog {
  readonly #seen: string[] = [];

  static async open(server: RedisServer): Promise<CommandLog> {
    const client = new Redis(server.port, server.host);
    const monitor = await client.monitor();
    client.disconnect();
    return new CommandLog(monitor);
  }

  private constructor(private readonly monitor: Redis) {
    monitor.on('monitor', (_time: string, [name, ...args]: string[], source: string) => {
      if (source !== 'lua' && !BACKGROUND.has(name!.toLowerCase()))
        this.#seen.push(`${name} ${args.join(' ').slice(0, 60)}`);
    });
  }

  /** Those since the last call, once the server has told of all that it has run by now. */
  async take(server: RedisServer): Promise<string[]> {
    const mark = `log-${Math.random()}`;
    await server.call('ECHO', mark);
    while (!this.#seen.some((line) => line.includes(mark))) await new Promise((resolve) => setTimeout(resolve, 5));
    return this.#seen.splice(0).filter((line) => !line.includes(mark));
  }

  close(): void {
    this.monitor.disconnect();
  }
}
