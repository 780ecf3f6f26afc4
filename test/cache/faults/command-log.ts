import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { RedisServer } from '../../harness/index.js';

// Not asked for by any caller: whether the line of reports lives; and the questions of a spec.
const BACKGROUND = new Set(['ping', 'info']);
const LINE = /^\+[\d.]+ \[\d+ (\S+)\] (.*)$/;
const WORD = /"((?:\\.|[^"\\])*)"/g;

/**
 * What clients send to a server, in the order in which it runs it; without what scripts do in their turn. By a socket of its own:
 * the monitor of ioredis 6.0.0 fails when the first command that it is told of comes together with the reply to MONITOR.
 */
export class CommandLog {
  readonly #seen: string[] = [];

  static async open(server: RedisServer): Promise<CommandLog> {
    const socket = connect(server.port, server.host);
    const log = new CommandLog(socket);
    socket.write('MONITOR\r\n');
    await once(socket, 'data');
    return log;
  }

  private constructor(private readonly socket: Socket) {
    createInterface({ input: socket }).on('line', (line) => {
      const [, source, command] = LINE.exec(line) ?? [];
      if (command === undefined || source === 'lua') return;
      const [name, ...args] = Array.from(command.matchAll(WORD), ([, word]) => word!);
      if (!BACKGROUND.has(name!.toLowerCase())) this.#seen.push(`${name} ${args.join(' ').slice(0, 60)}`);
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
    this.socket.destroy();
  }
}
