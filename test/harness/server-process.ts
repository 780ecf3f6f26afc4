import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** One run of a server binary; a restart makes another one. */
export class ServerProcess {
  readonly pid: number;
  /** Settles when the process has gone, whatever ended it. */
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;
  readonly #logFile: string;

  /** @throws if the binary cannot be executed. */
  static async start(binary: string, args: readonly string[], directory: string): Promise<ServerProcess> {
    const logFile = path.join(directory, 'server.log');
    const log = openSync(logFile, 'a');
    // Detached: Ctrl-C must not stop servers while specs still use them, see Reaper for the end.
    const child = spawn(binary, args, { cwd: directory, stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    return new ServerProcess(child, logFile);
  }

  private constructor(child: ChildProcess, logFile: string) {
    if (child.pid === undefined) throw new Error(`${child.spawnfile} has no pid although it was spawned.`);
    this.pid = child.pid;
    this.#child = child;
    this.#logFile = logFile;
    this.exited = new Promise((resolve) => child.once('exit', () => resolve()));
    child.unref();
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The last lines that the server has written. */
  get log(): string {
    return readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-15).join('\n');
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    if (!this.alive) throw new Error(`${name} was not sent: pid ${this.pid} has ended. Call restart() first.`);
    this.#child.kill(name);
  }

  /** SIGKILL, which also ends a stopped process, and waits until it is gone. */
  async kill(): Promise<void> {
    if (!this.alive) return;
    this.#child.ref();
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}
