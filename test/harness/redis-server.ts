import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ControlConnection } from '#harness/control-connection';
import { eventually } from '#harness/eventually';
import { freePort } from '#harness/free-port';
import { Reaper } from '#harness/reaper';
import { requireRedisBinary } from '#harness/redis-binary';
import { infoOf } from '#harness/replies';
import { ServerProcess } from '#harness/server-process';

/** Paths of PEM files. */
export interface TlsFiles {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

/** Where a server is to live. */
export interface ServerPlace {
  readonly port: number;
  readonly directory: string;
}

/** What makes a data server, a Sentinel or a Cluster node of the same binary. */
export interface ServerRecipe {
  /** The arguments of the binary; called once per place, a restart uses the same ones. */
  readonly args: (place: ServerPlace) => readonly string[];
  readonly port?: number | undefined;
  readonly clusterBus?: boolean;
  readonly socketName?: string | undefined;
  readonly tls?: TlsFiles | undefined;
  readonly password?: string | undefined;
  /** Runs after each start, restarts included, for settings that the binary does not keep. */
  readonly onStart?: (server: RedisServer) => Promise<void>;
}

/** How often and for how long a command has run. */
export interface CommandStat {
  readonly calls: number;
  /** Microseconds in all. */
  readonly usec: number;
}

/** A real server process on a loopback port with a temp folder of its own. */
export class RedisServer {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly url: string;
  readonly socketPath: string | undefined;
  readonly #directory: string;
  readonly #args: readonly string[];
  readonly #control: ControlConnection;
  readonly #reaper: Reaper;
  readonly #onStart: ServerRecipe['onStart'];
  #process: ServerProcess | undefined;
  #paused = false;

  /** Starts a server and returns once it answers. @throws with the end of its log if it does not start. */
  static async launch(recipe: ServerRecipe): Promise<RedisServer> {
    for (let attempt = 1; ; attempt += 1) {
      const port = recipe.port ?? (await freePort(recipe.clusterBus));
      const server = new RedisServer(recipe, { port, directory: await mkdtemp(path.join(tmpdir(), 'nuthatch-')) });
      try {
        await server.#start();
        return server;
      } catch (error) {
        await server.stop();
        // Another process may bind the port between our look and the start of the server.
        const taken = error instanceof Error && error.message.includes('Address already in use');
        if (!taken || recipe.port !== undefined || attempt === 5) throw error;
      }
    }
  }

  private constructor(recipe: ServerRecipe, place: ServerPlace) {
    const { tls, password, socketName } = recipe;
    this.port = place.port;
    this.url = `${tls === undefined ? 'redis' : 'rediss'}://${this.host}:${place.port}`;
    this.socketPath = socketName === undefined ? undefined : path.join(place.directory, socketName);
    this.#directory = place.directory;
    this.#args = recipe.args(place);
    this.#onStart = recipe.onStart;
    this.#reaper = new Reaper(place.directory);
    this.#control = new ControlConnection({
      host: this.host,
      port: place.port,
      ...(password !== undefined && { password }),
      ...(tls !== undefined && { tls: { ca: readFileSync(tls.ca), checkServerIdentity: () => undefined } }),
    });
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error(`The server on port ${this.port} was never started.`);
    return this.#process.pid;
  }

  /** Neither killed nor paused. */
  get running(): boolean {
    return this.#process?.alive === true && !this.#paused;
  }

  /** Sends a command over the control connection. @throws the error reply, or after 5 s without one. */
  call(...args: (string | number | Buffer)[]): Promise<unknown> {
    return this.#control.call(args);
  }

  /** SIGKILL; returns when the process is gone. */
  async kill(): Promise<void> {
    // First the connection: ioredis waits 2 s for the end of a socket that the kernel has already closed.
    this.#control.close();
    await this.#process?.kill();
    this.#reaper.forget();
    this.#paused = false;
  }

  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void {
    this.#process?.signal('SIGSTOP');
    this.#paused = true;
  }

  /** SIGCONT. */
  resume(): void {
    this.#process?.signal('SIGCONT');
    this.#paused = false;
  }

  /** Starts again on the same port with the same arguments; kills the server first if it still runs. */
  async restart(): Promise<void> {
    await this.kill();
    await this.#start();
  }

  /** Ends the process and removes its folder. A second call does nothing. */
  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
    this.#reaper.close();
  }

  async configSet(name: string, value: string | number): Promise<void> {
    await this.call('CONFIG', 'SET', name, value);
  }

  /** Forgets every script, as a restart or a failover does. */
  async flushScripts(): Promise<void> {
    await this.call('SCRIPT', 'FLUSH');
  }

  /** By lower-case command name; a subcommand is `config|set`. */
  async commandStats(): Promise<Record<string, CommandStat>> {
    const stats: Record<string, CommandStat> = {};
    for (const [name, line] of Object.entries(infoOf(await this.call('INFO', 'commandstats')))) {
      const field = (key: string): number => Number(new RegExp(`(?:^|,)${key}=(\\d+)`).exec(line)?.[1]);
      stats[name.replace('cmdstat_', '')] = { calls: field('calls'), usec: field('usec') };
    }
    return stats;
  }

  async #start(): Promise<void> {
    const started = await ServerProcess.start(requireRedisBinary(), this.#args, this.#directory);
    this.#reaper.watch(started.pid);
    this.#process = started;
    await eventually(`a server answers on port ${this.port}`, async () => {
      if (!started.alive) return true;
      const info = infoOf(await this.call('INFO', 'server'));
      // Somebody else's server may sit on the port while ours is still failing to bind it.
      return Number(info['process_id']) === started.pid;
    });
    if (!started.alive)
      throw new Error(`The server on port ${this.port} did not start. Its log ends with:\n${started.log}`);
    await this.#onStart?.(this);
  }
}
