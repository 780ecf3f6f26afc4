import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import path from 'node:path';

const SIZE = 64;

/** What a lock protects and nothing else does: a mark in a file that all processes read and write. */
export class SharedFile {
  readonly #file: number;
  readonly #bytes = Buffer.alloc(SIZE);

  constructor(folder: string, key: string) {
    this.#file = openSync(path.join(folder, `${key}.mark`), constants.O_RDWR | constants.O_CREAT);
  }

  read(): string {
    const length = readSync(this.#file, this.#bytes, 0, SIZE, 0);
    return this.#bytes.toString('utf8', 0, length).trimEnd();
  }

  write(mark: string): void {
    writeSync(this.#file, mark.padEnd(SIZE), 0);
  }

  close(): void {
    closeSync(this.#file);
  }
}
