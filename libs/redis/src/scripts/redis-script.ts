import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A Lua script of a driver: one `.lua` file, in most cases with a fixed number of keys. */
export class RedisScript {
  /** What EVALSHA calls it by. */
  readonly sha: string;

  constructor(
    readonly name: string,
    readonly source: string,
    readonly keyCount: number | 'any',
  ) {
    this.sha = createHash('sha1').update(source).digest('hex');
  }

  /** Reads the script from a `.lua` file, named relative to the module of the driver: `new URL('./fill.lua', import.meta.url)`. */
  static load(file: URL, options: { keys: number | 'any' }): RedisScript {
    const name = file.pathname.slice(file.pathname.lastIndexOf('/') + 1, -'.lua'.length);
    return new RedisScript(name, readFileSync(file, 'utf8'), options.keys);
  }
}
