import type { OnModuleInit } from '@nestjs/common';
import type { DiscoveryService } from '@nestjs/core';
import { LockCallError, LockOptionsError } from '../lock.errors.js';
import type { LockSections } from '../sections/lock-sections.js';
import { decoratedMethodsOf } from './decorated-methods.js';

/**
 * Checks at boot what decorators say against the options of the module, which are not known where they are written. What is made for each
 * request, or for each who injects it, is not there yet: its first call checks it.
 */
export class DecoratorChecks implements OnModuleInit {
  constructor(
    private readonly discovery: Pick<DiscoveryService, 'getProviders' | 'getControllers'>,
    private readonly sections: LockSections,
  ) {}

  /** @throws LockOptionsError that lists every mistake at once */
  onModuleInit(): void {
    const mistakes = new Set<string>();
    for (const { instance } of [...this.discovery.getProviders(), ...this.discovery.getControllers()] as Wrapper[]) {
      if (typeof instance !== 'object' || instance === null || !this.#serves(instance)) continue;
      for (const { place, check } of decoratedMethodsOf(instance)) {
        try {
          check(this.sections.options);
        } catch (error) {
          if (!(error instanceof LockCallError)) throw error;
          mistakes.add(`${place}: ${error.message}`);
        }
      }
    }
    if (mistakes.size > 0) throw new LockOptionsError([...mistakes]);
  }

  /** An application may have several LockModules that are not global: each looks at what it was injected into. */
  #serves(instance: object): boolean {
    return Object.getOwnPropertySymbols(instance).some(
      (slot) => Object.getOwnPropertyDescriptor(instance, slot)?.value === this.sections,
    );
  }
}

interface Wrapper {
  readonly instance: unknown;
}
