import type { MethodCall } from '@nuthatch/redis/internal';
import type { LockRequest } from '../lock-request.js';
import type { LockSections, SectionEnd } from '../sections/lock-sections.js';

/**
 * Runs a method as a section.
 *
 * @param refused makes the result, or throws the error, of a call whose method has not run. Errors of the method itself do not
 *   come here, though they may be of the same class: it may use locks of its own.
 */
export async function runLocked(
  sections: LockSections,
  request: LockRequest,
  call: MethodCall,
  refused: (error: unknown) => undefined,
  end?: SectionEnd,
): Promise<unknown> {
  let entered = false;
  const proceed = (): Promise<unknown> => {
    entered = true;
    return call.proceed();
  };
  try {
    return await sections.run(request, proceed, end);
  } catch (error) {
    if (entered) throw error;
    return refused(error);
  }
}
