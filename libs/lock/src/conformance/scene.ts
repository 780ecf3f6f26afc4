import { randomUUID } from 'node:crypto';
import type { LockDriver } from '../drivers/lock-driver.js';
import { TestProcess } from './test-process.js';

/** The functions of a test runner: Jest, Vitest and node:test have these as they are. */
export interface TestRunner {
  describe(title: string, body: () => void): void;
  it(title: string, body: () => Promise<void>): void;
}

export interface LockDriverSuiteOptions extends TestRunner {
  /** What the driver runs on; heads the titles. */
  name: string;
  /**
   * Opens a driver for a process of that name; all that are opened share a store. It hears what it is told by the time that this
   * resolves. The suite closes it.
   */
  open(process: string): Promise<LockDriver> | LockDriver;
  /** Makes a key of the store from a plain name; unique for this run, and of one slot with the others. */
  key(name: string): string;
  /** Lets `ms` pass for the store. @default waits that long */
  elapse?(ms: number): Promise<void>;
  /** Makes the store lose all it knows of a lock, as a failover may. @default it cannot */
  lose?(key: string): Promise<void>;
  /** Keeps the store from doing anything for `ms` from now on; what reaches it meanwhile is done afterwards. @default it cannot */
  stall?(ms: number): Promise<void>;
  /** For how long the store will know of a lock that nobody asks for. @default that is not known */
  keptForMs?(key: string): Promise<number>;
}

/** What a test plays in. */
export interface Scene {
  /** Starts three processes. */
  processes(): Promise<[TestProcess, TestProcess, TestProcess]>;
  key(name: string): string;
  elapse(ms: number): Promise<void>;
}

export interface SceneTests {
  readonly options: LockDriverSuiteOptions;
  test(title: string, body: (scene: Scene) => Promise<void>): void;
}

/** Tests that end the processes which they have started. */
export function sceneTests(options: LockDriverSuiteOptions): SceneTests {
  const elapse = options.elapse?.bind(options) ?? wait;
  const test: SceneTests['test'] = (title, body) => {
    options.it(title, async () => {
      const opened: TestProcess[] = [];
      const start = async (): Promise<TestProcess> => {
        const name = `host.${randomUUID().slice(0, 8)}`;
        const process = new TestProcess(name, await options.open(name));
        opened.push(process);
        return process;
      };
      try {
        await body({
          processes: () => Promise.all([start(), start(), start()]),
          key: (name) => options.key(name),
          elapse,
        });
      } finally {
        for (const process of opened) process.driver.close();
      }
    });
  };
  return { options, test };
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
