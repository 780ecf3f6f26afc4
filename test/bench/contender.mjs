import { fork } from 'node:child_process';
import { once } from 'node:events';
import { CLIENT_CORE, pinnedNode } from './cores.mjs';

const ANSWER_WITHIN_MS = 180_000;
// So that all processes of a group have heard of the round before it begins.
const BEGIN_AFTER_MS = 40;

/** One row of a table: a process of its own, so that no row shares the heap or the compiled code of another. */
export class Contender {
  #child;

  constructor(area, scenario, name, url, peers) {
    this.name = name;
    const program = new URL('./contender-process.mjs', import.meta.url);
    const args = [area.name, scenario.name, name, url, ...(peers.folder ? [peers.folder] : [])];
    this.#child = fork(program, args, scenario.cores === 'all' ? {} : pinnedNode(CLIENT_CORE));
  }

  /** Connects and stores what the scenario reads. */
  open() {
    return this.#ask({ ask: 'open' });
  }

  /** Runs until the code is hot. Returns how many operations fill a round. */
  warmUp() {
    return this.#ask({ ask: 'warmUp' });
  }

  round(operations, number, at = 0) {
    return this.#ask({ ask: 'round', operations, number, at });
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

/** A row of several processes that work at the same time, as those of a cluster do. */
export class ContenderGroup {
  #members;

  constructor(size, makeMember) {
    this.#members = Array.from({ length: size }, makeMember);
    this.name = this.#members[0].name;
  }

  open() {
    return Promise.all(this.#members.map((member) => member.open()));
  }

  async warmUp() {
    const [first] = await Promise.all(this.#members.map((member) => member.warmUp()));
    return first;
  }

  async round(operations, number) {
    const at = Date.now() + BEGIN_AFTER_MS;
    const parts = await Promise.all(this.#members.map((member) => member.round(operations, number, at)));
    const sum = (field) => parts.reduce((total, part) => total + part[field], 0);
    const most = (field) => Math.max(...parts.map((part) => part[field]));
    const notes = parts.flatMap((part) => part.notes ?? []);
    const loads = parts[0].loads !== undefined && { loads: sum('loads'), loadMs: most('loadMs') };
    return { operations, ns: most('ns'), cpuUs: sum('cpuUs'), notes, ...loads };
  }

  async stop() {
    await Promise.all(this.#members.map((member) => member.stop()));
  }
}
