import type { LockModuleOptions } from '@nuthatch/lock';
import type { RedisConnectionOptions } from '@nuthatch/redis';
import type { Fault, Moment } from '../history/events.js';

/** What a worker is started with. */
export interface WorkerSetup {
  /** Names its history, `<name>.jsonl` in the folder. */
  readonly name: string;
  readonly folder: string;
  readonly seed: number;
  readonly connection: RedisConnectionOptions;
  readonly lock: LockModuleOptions;
  /** What all contend for. */
  readonly keys: readonly string[];
  /** How many contend at the same time in this process; none: it only does what it is told. */
  readonly tasks: number;
  /** A server that no fault reaches: it plays what is guarded by tokens. */
  readonly resourceUrl: string;
  readonly sabotage?: Sabotage;
}

/**
 * What is broken in a worker on purpose. `double-grant`: now and then who waits is told that it was granted. `repeat-token`: tokens
 * repeat. `long-validity`: what the store grants is taken for longer. `unfair`: callers of the same process go first. `deaf`: nobody is told of a
 * grant. `lying-release`: every release is said to come too late.
 */
export type Sabotage = 'double-grant' | 'repeat-token' | 'long-validity' | 'unfair' | 'deaf' | 'lying-release';

/** To a worker. */
export type Order =
  | { readonly order: 'contend' }
  /** The next time that it comes to this moment. */
  | { readonly order: 'suffer'; readonly fault: Fault; readonly when: Moment; readonly forMs: number }
  | { readonly order: 'force'; readonly key: string }
  /** Holds it for so long, and looks all the while. */
  | { readonly order: 'hold'; readonly key: string; readonly forMs: number }
  /** So many cycles, some at a time, of locks that others of them want, too. */
  | { readonly order: 'cycle'; readonly cycles: number; readonly atATime: number }
  | { readonly order: 'finish' };

/** From a worker. */
export type Word =
  | { readonly word: 'ready' }
  /** So often it was granted a lock. */
  | { readonly word: 'grants'; readonly grants: number }
  | { readonly word: 'suffers'; readonly fault: Fault; readonly when: Moment }
  | { readonly word: 'done'; readonly result: unknown };
