import { NuthatchError } from '@nuthatch/redis';

/** The options of the module or of a call are wrong; `mistakes` lists every one of them. */
export class CacheOptionsError extends NuthatchError {
  constructor(readonly mistakes: readonly string[]) {
    super('CACHE_OPTIONS', `CacheModule has wrong options:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`);
  }
}

/** A key cannot be used, or none can be made for a decorated method. */
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
