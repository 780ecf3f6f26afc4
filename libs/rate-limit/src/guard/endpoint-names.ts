import type { Type } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';

type Module = ModulesContainer extends Map<string, infer M> ? M : never;
type Wrapper = ReturnType<Module['providers']['get']> & object;

/** A class that Nest makes objects of, and what it is called: `UsersModule/UsersController`. */
export interface NamedClass {
  readonly type: Type;
  readonly path: string;
}

/**
 * Names all classes of the application by their modules. Where two classes have the same name in modules of the same name,
 * the second is `...#2`, in the order of the modules, which is the same in all processes.
 */
export function nameClasses(modules: ReadonlyMap<string, Module>): NamedClass[] {
  const paths = new Map<Type, string>();
  const taken = new Map<string, number>();
  for (const { name, controllers, providers } of modules.values()) {
    for (const wrapper of [...controllers.values(), ...providers.values()]) {
      const type = classOf(wrapper);
      if (!type || paths.has(type)) continue;
      const path = `${name}/${type.name}`;
      const times = (taken.get(path) ?? 0) + 1;
      taken.set(path, times);
      paths.set(type, times === 1 ? path : `${path}#${times}`);
    }
  }
  return [...paths].map(([type, path]) => ({ type, path }));
}

/** Of what Nest hands to guards: the class of the object, which is not that of the token where a factory has made it. */
function classOf({ instance, metatype }: Wrapper): Type | undefined {
  const made: unknown = typeof instance === 'object' && instance !== null ? instance.constructor : metatype;
  return typeof made === 'function' && typeof made.prototype === 'object' && made !== Object
    ? (made as Type)
    : undefined;
}
