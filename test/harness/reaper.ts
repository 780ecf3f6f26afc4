import { spawn } from 'node:child_process';
import { Socket } from 'node:net';

// The shell blocks on a pipe that only this process holds. The kernel closes it however this process ends, SIGKILL included.
// A listener on process 'exit' would not do: Jest hands specs a copy of `process` that never emits it.
const script = 'while read -r line; do pid=$line; done; [ -z "$pid" ] || kill -9 "$pid"; rm -rf "$1"';

/** Sees to it that a server and its folder do not outlive the process that started it. */
export class Reaper {
  readonly #pipe: Socket;

  constructor(directory: string) {
    // Detached, so that Ctrl-C at the terminal ends Jest but not the one that tidies up behind it.
    const shell = spawn('/bin/sh', ['-c', script, 'nuthatch-reaper', directory], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    if (!(shell.stdin instanceof Socket)) throw new Error('The reaper got no pipe: /bin/sh could not be started.');
    this.#pipe = shell.stdin;
    this.#pipe.unref();
    shell.unref();
  }

  /** From now on this process dies with us; it replaces the one watched before. */
  watch(pid: number): void {
    this.#pipe.write(`${pid}\n`);
  }

  /** The watched process is gone: its pid may now belong to somebody else. */
  forget(): void {
    if (!this.#pipe.writableEnded) this.#pipe.write('\n');
  }

  /** Kills what is still watched and removes the folder. */
  close(): void {
    this.#pipe.end();
  }
}
