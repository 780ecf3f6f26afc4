import { readFileSync } from 'node:fs';
import { RedisScript } from '@nuthatch/redis/internal';

export type LimitScriptName = 'decide' | 'settle' | 'renew' | 'reset';

/** What each script is made of. */
const PARTS: Record<LimitScriptName, readonly string[]> = {
  decide: ['run', 'decide-plain', 'state', 'decide'],
  settle: ['run', 'state', 'settle'],
  renew: ['run', 'state', 'renew'],
  reset: ['run', 'state', 'reset'],
};

/** The scripts that read and write states. */
export class LimitScripts {
  readonly #scripts = new Map<LimitScriptName, RedisScript>();

  of(name: LimitScriptName): RedisScript {
    let script = this.#scripts.get(name);
    if (!script) this.#scripts.set(name, (script = new RedisScript(name, PARTS[name].map(read).join('\n'), 'any')));
    return script;
  }
}

function read(name: string): string {
  return readFileSync(new URL(`./${name}.lua`, import.meta.url), 'utf8');
}
