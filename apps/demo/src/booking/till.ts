import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';

/** Stands in for a provider of payments. Takes no money. */
@Injectable()
export class Till {
  /** @returns the number of the receipt */
  async take(_buyer: string, _euros: number, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    return randomUUID();
  }

  async giveBack(_receipt: string): Promise<void> {}
}
