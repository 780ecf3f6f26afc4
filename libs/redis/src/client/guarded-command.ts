import type { Command } from 'ioredis';

/** How long this very command may take, in milliseconds; without it the default of its connection. */
export const TIMEOUT = Symbol('@nuthatch/redis:timeout');
/** Set on a command that may run twice without harm, though its name does not tell (a script that only reads). */
export const IDEMPOTENT = Symbol('@nuthatch/redis:idempotent');
/** The promise under which the guard knows the command: ioredis sends one command several times. */
export const GUARDED = Symbol('@nuthatch/redis:guarded');
/** Whether the command was written to a socket and has had no reply that says it was not run. */
export const WRITTEN = Symbol('@nuthatch/redis:written');
/** Whether it was sent to a replica beside the client, rather than to the server of the client. */
export const ON_REPLICA = Symbol('@nuthatch/redis:on-replica');
/** Set on a command that only reads, and must not be answered by a replica, which may not have heard of the last write. */
export const FROM_MASTER = Symbol('@nuthatch/redis:from-master');
/** When the command must have settled, on the monotonic clock. */
export const DEADLINE = Symbol('@nuthatch/redis:deadline');

/** A command of ioredis with what the guard keeps on it. */
export interface GuardedCommand {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly isResolved: boolean;
  readonly isSettled: boolean;
  readonly promise: Promise<unknown>;
  readonly pipelineIndex?: number | undefined;
  readonly inTransaction: boolean;
  reject(error: unknown): void;
  [TIMEOUT]?: number;
  [IDEMPOTENT]?: boolean;
  [GUARDED]?: Promise<unknown>;
  [WRITTEN]?: boolean;
  [ON_REPLICA]?: boolean;
  [FROM_MASTER]?: boolean;
  [DEADLINE]?: number;
}

/** The one place where a command of ioredis is looked at as ours: its own type hides the fields used here. */
export function guarded(command: Command): GuardedCommand {
  return command as unknown as GuardedCommand;
}
