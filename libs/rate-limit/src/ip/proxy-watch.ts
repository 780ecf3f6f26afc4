import type { OnApplicationBootstrap } from '@nestjs/common';
import type { HttpAdapterHost } from '@nestjs/core';
import type { PolicyBook } from '../policies/policy-book.js';
import { ProxyCheck } from './proxy-check.js';

/** Runs {@link ProxyCheck} where addresses are limited. */
export class ProxyWatch implements OnApplicationBootstrap {
  readonly #check = new ProxyCheck();
  #watches = false;

  /** @param adapter undefined in an application without HTTP */
  constructor(
    private readonly policies: PolicyBook,
    private readonly adapter: () => HttpAdapterHost['httpAdapter'] | undefined,
  ) {}

  onApplicationBootstrap(): void {
    this.#watches = [...this.policies.byName.values()].some(({ by }) => isByAddress(by));
    if (this.#watches) this.#check.atBoot(this.adapter());
  }

  see(request: unknown): void {
    if (this.#watches) this.#check.atRequest(request);
  }
}

function isByAddress(by: unknown): boolean {
  if (Array.isArray(by)) return by.some(isByAddress);
  if (typeof by === 'object' && by !== null && 'each' in by) return isByAddress(by.each);
  return by === 'ip';
}
