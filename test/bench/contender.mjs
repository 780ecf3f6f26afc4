import { fork } from 'node:child_process';
import { once } from 'node:events';
import { CLIENT_CORE, pinnedNode } from './cores.mjs';

const ANSWER_WITHIN_MS = 30_000;

/** One row of a table: a process of its own, so that no row shares the heap or the compiled code of another. */
export class Contender {
  #child;

  constructor(area, scenario, name, url) {
    this.name = name;
    const program = new URL('./contender-process.mjs', import.meta.url);
    this.#child = fork(program, [area.name, scenario.name, name, url], pinnedNode(CLIENT_CORE));
  }

  /** Connects and stores what the scenario reads. */
  open() {
    return this.#ask({ ask: 'open' });
  }

  /** Runs until the code is hot. Returns how many operations fill a round. */
  warmUp() {
    return this.#ask({ ask: 'warmUp' });
  }

  round(operations) {
    return this.#ask({ ask: 'round', operations });
  }

  async stop() {
    if (this.#ended) return;
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), 4_000);
    const exited = once(this.#child, 'exit');
    if (this.#child.connected) this.#child.disconnect();
    await exited;
    clearTimeout(killer);
  }

  #ask(request) {
    return new Promise((resolve, reject) => {
      const fail = (what) => settle(() => reject(new Error(`"${this.name}" ${what}`)));
      const onExit = (code) => fail(`ended with ${code} at "${request.ask}".`);
      const onMessage = (reply) => ('error' in reply ? fail(`failed: ${reply.error}`) : settle(() => resolve(reply)));
      const timer = setTimeout(() => fail(`did not answer "${request.ask}" in time.`), ANSWER_WITHIN_MS);
      const settle = (finish) => {
        clearTimeout(timer);
        this.#child.off('exit', onExit).off('message', onMessage);
        finish();
      };
      this.#child.on('exit', onExit).on('message', onMessage);
      if (this.#ended) onExit(this.#child.exitCode);
      else this.#child.send(request, (error) => error && fail(`cannot be asked: ${error.message}`));
    });
  }

  get #ended() {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}
