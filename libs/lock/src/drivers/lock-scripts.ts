import { readFileSync } from 'node:fs';
import { RedisScript } from '@nuthatch/redis/internal';

export type LockScriptName = 'acquire' | 'release' | 'renew' | 'beat' | 'leave' | 'force' | 'time';

/** What each script is made of. */
const PARTS: Record<LockScriptName, readonly string[]> = {
  acquire: ['begin', 'in-time', 'acquire-free', 'state', 'acquire'],
  release: ['release-alone', 'begin', 'state', 'release'],
  renew: ['begin', 'in-time', 'state', 'renew'],
  beat: ['begin', 'in-time', 'state', 'beat'],
  leave: ['begin', 'state', 'leave'],
  force: ['begin', 'in-time', 'state', 'force'],
  time: ['time'],
};

/** The scripts that read and write locks. */
export class LockScripts {
  readonly #scripts = new Map<LockScriptName, RedisScript>();

  of(name: LockScriptName): RedisScript {
    let script = this.#scripts.get(name);
    if (!script) this.#scripts.set(name, (script = new RedisScript(name, PARTS[name].map(read).join('\n'), 'any')));
    return script;
  }
}

function read(name: string): string {
  return readFileSync(new URL(`./${name}.lua`, import.meta.url), 'utf8');
}
