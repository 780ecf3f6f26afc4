import { Command, type Cluster, type Redis } from 'ioredis';
import { DEADLINE, FROM_MASTER, guarded, IDEMPOTENT, TIMEOUT, type GuardedCommand } from '../client/guarded-command.js';
import type { RedisScript } from './redis-script.js';

export type CommandArgument = string | number | Buffer;

export interface RunOptions {
  /** The deadline of this call, in milliseconds. @default that of the connection */
  readonly timeoutMs?: number;
  /** Whether it may be sent again when the connection dies with the reply outstanding. @default false, or true for commands that only read */
  readonly idempotent?: boolean;
  /** Whether a command that only reads must not be answered by a replica. @default false */
  readonly fromMaster?: boolean;
  /** @default 'text' */
  readonly reply?: 'text' | 'buffer';
}

const AS_TEXT = { replyEncoding: 'utf8' } as const;
const AS_BUFFER = { replyEncoding: null } as const;

/** Sends one command with options of its own. */
export function runCommand(
  client: Redis | Cluster,
  name: string,
  args: readonly CommandArgument[],
  options: RunOptions = {},
): Promise<unknown> {
  return send(client, name, args, options).promise;
}

/**
 * Runs a script by its hash, and by its text where the server does not know it: after a restart, a failover or SCRIPT
 * FLUSH. A server that answers NOSCRIPT has run nothing, so this never runs a script twice. Both share one deadline.
 */
export async function runScript(
  client: Redis | Cluster,
  script: RedisScript,
  keys: readonly string[],
  args: readonly CommandArgument[],
  options: RunOptions = {},
): Promise<unknown> {
  if (script.keyCount !== 'any' && keys.length !== script.keyCount) {
    throw new TypeError(`Script "${script.name}" takes ${script.keyCount} keys, and got ${keys.length}.`);
  }
  const operands = [script.sha, keys.length, ...keys, ...args];
  const command = send(client, 'evalsha', operands, options);
  try {
    return await command.promise;
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    const timeoutMs = Math.max(1, command[DEADLINE]! - performance.now());
    return send(client, 'eval', operands.with(0, script.source), { ...options, timeoutMs }).promise;
  }
}

function send(
  client: Redis | Cluster,
  name: string,
  args: readonly CommandArgument[],
  { reply, timeoutMs, idempotent, fromMaster }: RunOptions,
): GuardedCommand {
  const options = reply === 'buffer' ? AS_BUFFER : AS_TEXT;
  // ioredis copies the list before it changes it.
  const operands = args as CommandArgument[];
  const command = new Command(name, operands, options);
  const ours = guarded(command);
  if (timeoutMs !== undefined) ours[TIMEOUT] = timeoutMs;
  if (idempotent) ours[IDEMPOTENT] = true;
  if (fromMaster) ours[FROM_MASTER] = true;
  client.sendCommand(command);
  return ours;
}
