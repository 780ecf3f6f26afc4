import { NuthatchError } from '@nuthatch/redis';

/** The options of the module or of a call are wrong; `mistakes` lists every one of them. */
export class CacheOptionsError extends NuthatchError {
  constructor(readonly mistakes: readonly string[]) {
    super('CACHE_OPTIONS', `CacheModule has wrong options:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`);
  }
}

/** A key, a tag or a pattern cannot be used, or no key can be made for a decorated method. */
export class CacheKeyError extends NuthatchError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('CACHE_KEY', message, options);
  }
}

/** A value cannot be cached. The message holds its path, never the value. */
export class CacheValueError extends NuthatchError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('CACHE_VALUE', message, options);
  }
}

/** A loader took longer than `hardTimeout`, and there was no earlier value within its grace to serve instead. */
export class CacheLoadTimeoutError extends NuthatchError {
  constructor(
    readonly key: string,
    readonly timeoutMs: number,
  ) {
    super(
      'CACHE_LOAD_TIMEOUT',
      `The loader of "${key}" did not finish within ${timeoutMs}ms. Raise "hardTimeout", or set "grace" so that an earlier value is served.`,
    );
  }
}
