/**
 * Goes on with a result of node:zlib. Not by `then`, whose Promise would be of the realm of Node: under Jest,
 * `instanceof Promise` is false for that one.
 */
export async function whenDone<T, R>(
  work: Promise<T>,
  next: (result: T) => R,
  fail?: (error: unknown) => never,
): Promise<R> {
  let result: T;
  try {
    result = await work;
  } catch (error) {
    if (fail) return fail(error);
    throw error;
  }
  return next(result);
}
