import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { Fault, Moment } from '../history/events.js';
import type { Order, WorkerSetup, Word } from '../worker/worker-messages.js';

const TEST_FOLDER = path.resolve(path.dirname(new URL(import.meta.url).pathname), '../..');
const STARTS_WITHIN_MS = 30_000;
const ENDS_WITHIN_MS = 15_000;

/** A worker, from outside. */
export class LockProcess {
  readonly name: string;
  /** How often it has said that it was granted a lock. */
  grants = 0;
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  readonly #output: string[] = [];
  readonly #waiting = new Map<Word['word'], (word: Word) => void>();

  /** Returns once it is connected. */
  static async start(setup: WorkerSetup): Promise<LockProcess> {
    const started = new LockProcess(setup);
    await started.#hear('ready', STARTS_WITHIN_MS);
    return started;
  }

  private constructor(setup: WorkerSetup) {
    this.name = setup.name;
    this.#child = fork(path.join(TEST_FOLDER, 'lock-history/worker/lock-worker.ts'), [JSON.stringify(setup)], {
      execArgv: [
        '--import',
        path.join(TEST_FOLDER, 'harness/source-hooks.mjs'),
        '--no-warnings=ExperimentalWarning',
        '--expose-gc',
      ],
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on('data', (chunk) => this.#output.push(String(chunk)));
    this.#child.on('message', (word: Word) => {
      if (word.word === 'grants') this.grants = word.grants;
      this.#waiting.get(word.word)?.(word);
    });
    this.#exit = once(this.#child, 'exit');
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  contend(): void {
    this.#order({ order: 'contend' });
  }

  force(key: string): void {
    this.#order({ order: 'force', key });
  }

  /** Has it suffer when it next comes to the moment. @returns whether it came to it within the time, and is over it */
  async suffer(fault: Fault, when: Moment, forMs: number, withinMs = 6_000): Promise<boolean> {
    const suffers = this.#hear('suffers', withinMs).catch(() => undefined);
    this.#order({ order: 'suffer', fault, when, forMs });
    if ((await suffers) === undefined) return false;
    if (fault === 'die') await this.#exit;
    else await new Promise((resolve) => setTimeout(resolve, forMs));
    if (fault === 'stop') this.#child.kill('SIGCONT');
    return true;
  }

  /** Has it do something else than to contend, and returns what came of it. */
  async ask<T>(order: Extract<Order, { order: 'hold' | 'cycle' }>, withinMs: number): Promise<T> {
    const done = this.#hear('done', withinMs);
    this.#order(order);
    return ((await done) as Extract<Word, { word: 'done' }>).result as T;
  }

  /** SIGKILL; returns when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exit;
  }

  /** Has it finish what it is at and close. @throws unless it then ends by itself */
  async finish(): Promise<void> {
    this.#child.kill('SIGCONT');
    this.#order({ order: 'finish' });
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), ENDS_WITHIN_MS);
    await this.#exit;
    clearTimeout(timer);
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== 0) throw new Error(this.#describe(`ended with ${String(exitCode ?? signalCode)}`));
  }

  #order(order: Order): void {
    if (this.#child.connected) this.#child.send(order);
  }

  async #hear(word: Word['word'], withinMs: number): Promise<Word> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<Word>((resolve, reject) => {
        this.#waiting.set(word, resolve);
        timer = setTimeout(() => reject(new Error(this.#describe(`did not say "${word}" in time`))), withinMs);
        void this.#exit.then(() => reject(new Error(this.#describe(`ended before it said "${word}"`))));
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(word);
    }
  }

  #describe(what: string): string {
    return [`Worker ${this.name} ${what}.`, ...this.#output].join('\n');
  }
}
