import { exists, hasFlag } from '@ioredis/commands';
import { IDEMPOTENT, type GuardedCommand } from './guarded-command.js';

// Running them twice leaves what running them once leaves, whoever else writes in between notwithstanding: they remove.
const REMOVALS = new Set(['del', 'unlink']);

/**
 * Whether the command may be sent again after its connection died with the reply outstanding. A plain SET is not among
 * them: its second run could overwrite what another client has written in between.
 */
export function isIdempotent(command: GuardedCommand): boolean {
  if (command[IDEMPOTENT]) return true;
  return REMOVALS.has(command.name.toLowerCase()) || isReadOnly(command);
}

/** Whether the command only reads. */
export function isReadOnly({ name }: GuardedCommand): boolean {
  const lower = name.toLowerCase();
  return exists(lower) && hasFlag(lower, 'readonly');
}
