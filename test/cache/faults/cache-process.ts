import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { CacheEntryOptions, CacheKey, CacheModuleOptions } from '@nuthatch/cache';
import type { RedisConnectionOptions } from '@nuthatch/redis';
import { eventually, sharedTopologies } from '../../harness/index.js';
import type { BurstOutcome, WorkerCommands } from './worker-commands.js';
import type { Answer, LoadPlan, LoadResult, Request, WorkerSetup } from './worker-messages.js';

const folder = path.dirname(new URL(import.meta.url).pathname);
const ENDS_WITHIN_MS = 5_000;

/** The commands of a worker, from here. */
type Remote<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never;
};

/** A load that goes on until the spec ends it. */
export interface HeldLoad<T> {
  /** The loader is running. */
  readonly begun: Promise<void>;
  /** What the caller of the load gets. */
  readonly result: Promise<T>;
  finish(value: unknown, tags?: readonly string[]): void;
  fail(message: string): void;
}

interface ProcessOptions extends CacheModuleOptions {
  /** How far the wall clock of the process is ahead. */
  readonly clockShiftMs?: number;
  /** Whether to wait until Redis is there. @default true */
  readonly waits?: boolean;
}

interface Call {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

const running = new Set<CacheProcess>();

/** An operating system process with a cache of its own. */
export class CacheProcess {
  readonly cache: Remote<WorkerCommands>;
  readonly #child: ChildProcess;
  readonly #calls = new Map<number, Call>();
  readonly #begun = new Map<number, () => void>();
  readonly #exit: Promise<unknown[]>;
  readonly #output: string[] = [];
  /** What no process may ever report: unhandled rejections, uncaught exceptions, warnings of Node. */
  readonly #trouble: string[] = [];
  #count = 0;

  static async start(connection: RedisConnectionOptions, options: ProcessOptions = {}): Promise<CacheProcess> {
    const { clockShiftMs = 0, waits = true, ...cache } = options;
    const started = new CacheProcess({ connection, cache, database: sharedTopologies().standalone.url }, clockShiftMs);
    running.add(started);
    await started.#call(0);
    if (waits) await eventually('its connection is up', async () => (await started.cache.state()) === 'ready');
    return started;
  }

  private constructor(setup: WorkerSetup, clockShiftMs: number) {
    this.#child = fork(path.join(folder, 'cache-worker.ts'), [JSON.stringify(setup)], {
      execArgv: ['--import', path.join(folder, '../../harness/source-hooks.mjs'), '--no-warnings=ExperimentalWarning'],
      env: { ...process.env, NODE_OPTIONS: '', SPEC_CLOCK_SHIFT_MS: String(clockShiftMs) },
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child.stdout!.on('data', (chunk) => this.#output.push(String(chunk)));
    this.#child.stderr!.on('data', (chunk) => this.#output.push(String(chunk)));
    this.#child.on('message', (message: Answer) => this.#heard(message));
    this.#exit = once(this.#child, 'exit');
    void this.#exit.then(() => this.#lost());
    this.cache = new Proxy({} as Remote<WorkerCommands>, {
      get:
        (_, name) =>
        (...args: unknown[]) =>
          this.#ask(String(name), args),
    });
  }

  /** A caller whose loader is held. */
  load(key: CacheKey, options?: CacheEntryOptions): HeldLoad<unknown> {
    return this.#hold((plan) => this.cache.getOrSet(key, plan, options));
  }

  /** The same for many keys in one call. */
  loadMany(keys: CacheKey[], options?: CacheEntryOptions): HeldLoad<Map<CacheKey, unknown>> {
    return this.#hold((plan) => this.cache.getOrSetMany(keys, plan, options));
  }

  /** The same for `refresh`. */
  refresh(key: CacheKey, options?: CacheEntryOptions): HeldLoad<unknown> {
    return this.#hold((plan) => this.cache.refresh(key, plan, options));
  }

  /** So many callers at once, whose loader is held. */
  burst(callers: number, key: CacheKey, options?: CacheEntryOptions): HeldLoad<BurstOutcome> {
    return this.#hold((plan) => this.cache.burst(callers, key, plan, options));
  }

  /** SIGSTOP. */
  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  /** SIGCONT. */
  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** SIGKILL; returns when the process is gone. */
  async kill(): Promise<void> {
    running.delete(this);
    this.#child.kill('SIGKILL');
    await this.#exit;
  }

  /** Closes the application. @throws unless the process then ends by itself, and never had anything to complain of. */
  async close(): Promise<void> {
    running.delete(this);
    this.resume();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), ENDS_WITHIN_MS);
    await this.#ask('close', []).catch((error: Error) => this.#trouble.push(error.message));
    const [code, signal] = await this.#exit;
    clearTimeout(timer);
    if (signal === 'SIGKILL') this.#trouble.push(`it did not end by itself within ${ENDS_WITHIN_MS} ms`);
    else if (code !== 0) this.#trouble.push(`it ended with ${String(code ?? signal)}`);
    if (this.#trouble.length > 0) throw new Error([...this.#trouble, ...this.#output].join('\n'));
  }

  #hold<T>(begin: (plan: LoadPlan) => Promise<T>): HeldLoad<T> {
    const held = ++this.#count;
    const begun = new Promise<void>((resolve) => this.#begun.set(held, resolve));
    const result = begin({ held });
    result.catch(() => 'a spec that does not look at it does not care');
    const finish = (outcome: LoadResult): void => this.#send({ finish: held, result: outcome });
    return {
      begun,
      result,
      finish: (value, tags) => finish({ value, ...(tags && { tags }) }),
      fail: (error) => finish({ error }),
    };
  }

  #ask(call: string, args: readonly unknown[]): Promise<unknown> {
    const id = ++this.#count;
    const reply = this.#call(id);
    this.#send({ id, call, args });
    return reply;
  }

  #call(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject }));
  }

  #send(request: Request): void {
    if (this.#child.connected) this.#child.send(request);
    else this.#lost();
  }

  #heard(message: Answer): void {
    if ('trouble' in message) this.#trouble.push(message.trouble);
    else if ('begun' in message) this.#begun.get(message.begun)?.();
    else {
      const call = this.#calls.get(message.id);
      this.#calls.delete(message.id);
      if (message.error) call?.reject(Object.assign(new Error(message.error.message), message.error));
      else call?.resolve(message.value);
    }
  }

  #lost(): void {
    for (const { reject } of this.#calls.values())
      reject(new Error(['The process has ended.', ...this.#trouble, ...this.#output].join('\n')));
    this.#calls.clear();
  }
}

/** Starts so many with the same options. */
export function startProcesses(
  count: number,
  connection: RedisConnectionOptions,
  options?: ProcessOptions,
): Promise<CacheProcess[]> {
  return Promise.all(Array.from({ length: count }, () => CacheProcess.start(connection, options)));
}

/** @throws what {@link CacheProcess.close} throws, once all are gone */
export async function closeProcesses(): Promise<void> {
  const outcomes = await Promise.allSettled([...running].map((one) => one.close()));
  const troubles = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [String(outcome.reason)] : []));
  if (troubles.length > 0) throw new Error(troubles.join('\n\n'));
}
