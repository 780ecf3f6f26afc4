import { aroundMethod, type AsyncMethodDecorator, type MethodCall } from '@nuthatch/redis/internal';
import { LockSections } from '../sections/lock-sections.js';
import { noteDecoratedMethod, type DecoratedMethod } from './decorated-methods.js';

const around = aroundMethod(
  LockSections,
  'Import LockModule.forRoot() in the root module to use @WithLock() and @ScheduledLock().',
);

/** @param check what is found wrong at boot, when the options of the module are known */
export function aroundLockedMethod(
  run: (sections: LockSections, call: MethodCall) => Promise<unknown>,
  decorator: string,
  check: DecoratedMethod['check'],
): AsyncMethodDecorator {
  const decorate = around(run);
  return (target, key, descriptor) => {
    decorate(target, key, descriptor);
    noteDecoratedMethod(target, { place: `${decorator} on ${target.constructor.name}.${String(key)}()`, check });
  };
}
