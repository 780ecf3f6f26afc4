import type { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { warmOptionsOf } from './warm.decorator.js';
import type { WarmTask } from './warm-task.js';
import type { WarmerDeclaration } from './warmer-registry.js';

type InstanceWrapper = ReturnType<DiscoveryService['getProviders']>[number];

const OPTIONS = ['name', 'every'];

/** Finds the methods with `@Warm()` among the providers and controllers of the application. */
export class WarmExplorer {
  constructor(
    private readonly discovery: Pick<DiscoveryService, 'getProviders' | 'getControllers'>,
    private readonly scanner: Pick<MetadataScanner, 'getAllMethodNames'>,
  ) {}

  /** Returns those that can be run, and notes in `mistakes` why others cannot. */
  explore(mistakes: string[]): WarmerDeclaration[] {
    const seen = new Set<object>();
    return [...this.discovery.getProviders(), ...this.discovery.getControllers()].flatMap((wrapper) => {
      const instance: unknown = wrapper.instance;
      // One object may be provided under several tokens.
      if (typeof instance !== 'object' || instance === null || seen.has(instance)) return [];
      seen.add(instance);
      return this.#declarations(wrapper, instance, mistakes);
    });
  }

  #declarations(wrapper: InstanceWrapper, instance: object, mistakes: string[]): WarmerDeclaration[] {
    const prototype = Object.getPrototypeOf(instance) as Record<string, WarmTask> | null;
    return this.scanner.getAllMethodNames(prototype).flatMap((method) => {
      const options = warmOptionsOf(prototype?.[method]);
      if (!options) return [];
      const owner = prototype?.constructor.name ?? wrapper.name;
      const place = `@Warm() on ${owner}.${method}() in ${wrapper.host?.name ?? 'no module'}`;
      const refusal = refusalOf(wrapper, owner) ?? unknownOption(options);
      if (refusal) {
        mistakes.push(`${place} ${refusal}`);
        return [];
      }
      const task: WarmTask = (context) => (instance as Record<string, WarmTask>)[method]!(context);
      return [{ name: options.name, every: options.every, task, place }];
    });
  }
}

function refusalOf(wrapper: InstanceWrapper, owner: string): string | undefined {
  if (wrapper.isTransient) {
    return `has no object to run on: ${owner} is transient, so each who injects it has another. Move the method to a provider of the default scope.`;
  }
  if (wrapper.isDependencyTreeStatic()) return undefined;
  return (
    `has no object to run on: ${owner} or something that it injects is request-scoped, and a warmer runs outside of ` +
    `requests. Move the method to a provider of the default scope that injects none such.`
  );
}

function unknownOption(options: object): string | undefined {
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  return unknown === undefined
    ? undefined
    : `has the option "${unknown}", which there is not. Known: ${OPTIONS.join(', ')}.`;
}
