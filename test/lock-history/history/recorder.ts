import { closeSync, openSync, writeSync } from 'node:fs';
import { machineTime, type HistoryEvent } from './events.js';

type WithoutTime<E> = E extends HistoryEvent ? Omit<E, 'at'> : never;

/** Writes the history of this process. What was written is there whatever happens to the process next: it is with the kernel. */
export class Recorder {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  /** @param at when it happened, if that was before now */
  note(event: WithoutTime<HistoryEvent>, at = machineTime()): void {
    writeSync(this.#file, `${JSON.stringify({ at, ...event })}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}
