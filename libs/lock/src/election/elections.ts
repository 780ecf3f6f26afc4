import type { Logger } from '@nestjs/common';
import type { LockSource } from '../lock-source.js';
import type { Lock } from '../lock.js';
import { Election, type ElectionHandlers } from './election.js';
import type { ElectionOptions } from './election.options.js';

/** The candidates of an application; they leave with it. */
export class Elections {
  readonly #open = new Set<Election>();

  constructor(
    private readonly source: LockSource<Lock>,
    private readonly logger: Pick<Logger, 'error' | 'warn'>,
  ) {}

  elect(name: string, handlers: ElectionHandlers, options?: ElectionOptions): Election {
    const forget = (election: Election): unknown => this.#open.delete(election);
    const election = new Election(name, handlers, options, this.source, this.logger, forget);
    this.#open.add(election);
    return election;
  }

  /** Each stops to lead and leaves its line. Never rejects. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map((election) => election.close()));
  }
}
