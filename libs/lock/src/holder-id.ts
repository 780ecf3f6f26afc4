import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { LockHolder } from './lock.errors.js';

const LONGEST_HOST = 40;

/** Names the claims of one process, unlike those of any other: `<host>/<pid>/<random>:<number>`. */
export class ClaimIds {
  readonly process: string;
  #count = 0;

  constructor() {
    // It stands in scripts and channel names: of a host only what needs no escape.
    const host = hostname()
      .replace(/[^\w.-]/g, '_')
      .slice(0, LONGEST_HOST);
    this.process = `${host}/${process.pid}/${randomBytes(4).toString('hex')}`;
  }

  next(): string {
    return `${this.process}:${++this.#count}`;
  }
}

/** Who that is. */
export function readHolder(id: string, token: bigint): LockHolder {
  const [host = '', pid = ''] = id.split('/');
  return { id, host, pid: Number(pid), token };
}
