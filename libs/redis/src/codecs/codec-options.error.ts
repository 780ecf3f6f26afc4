import { NuthatchError } from '../redis.errors.js';

/** The options of a codec are wrong; `mistakes` lists every one of them: what, the value, the fix. */
export class CodecOptionsError extends NuthatchError {
  constructor(readonly mistakes: readonly string[]) {
    super(
      'CODEC_OPTIONS',
      `createJsonCodec() has wrong options:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`,
    );
  }
}
