import { Command, type Cluster, type Redis } from 'ioredis';
import { guarded, IDEMPOTENT, TIMEOUT } from '../client/guarded-command.js';
import type { RedisScript } from './redis-script.js';

export type CommandArgument = string | number | Buffer;

export interface RunOptions {
  /** The deadline of this call, in milliseconds. @default that of the connection */
  readonly timeoutMs?: number;
  /** Whether it may be sent again when the connection dies with the reply outstanding. @default false, or true for commands that only read */
  readonly idempotent?: boolean;
  /** @default 'text' */
  readonly reply?: 'text' | 'buffer';
}

/** Sends one command with options of its own. */
export function runCommand(
  client: Redis | Cluster,
  name: string,
  args: readonly CommandArgument[],
  options: RunOptions = {},
): Promise<unknown> {
  const command = new Command(name, [...args], { replyEncoding: options.reply === 'buffer' ? null : 'utf8' });
  const ours = guarded(command);
  if (options.timeoutMs !== undefined) ours[TIMEOUT] = options.timeoutMs;
  if (options.idempotent) ours[IDEMPOTENT] = true;
  client.sendCommand(command);
  return ours.promise;
}

/**
 * Runs a script by its hash, and by its text where the server does not know it: after a restart, a failover or SCRIPT
 * FLUSH. A server that answers NOSCRIPT has run nothing, so this never runs a script twice.
 */
export async function runScript(
  client: Redis | Cluster,
  script: RedisScript,
  keys: readonly string[],
  args: readonly CommandArgument[],
  options: RunOptions = {},
): Promise<unknown> {
  if (keys.length !== script.keyCount) {
    throw new TypeError(`Script "${script.name}" takes ${script.keyCount} keys, and got ${keys.length}.`);
  }
  const startedAt = performance.now();
  try {
    return await runCommand(client, 'evalsha', [script.sha, keys.length, ...keys, ...args], options);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    const left =
      options.timeoutMs === undefined ? {} : { timeoutMs: Math.max(1, options.timeoutMs - elapsedSince(startedAt)) };
    return runCommand(client, 'eval', [script.source, keys.length, ...keys, ...args], { ...options, ...left });
  }
}

function elapsedSince(startedAt: number): number {
  return Math.ceil(performance.now() - startedAt);
}
