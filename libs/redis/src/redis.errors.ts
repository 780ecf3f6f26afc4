/** Base of every error of the suite. `code` is stable and fit for a `switch`; the message is for people. */
export class NuthatchError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/**
 * What is known of a command that failed: `'not-executed'` never reached Redis; `'unknown'` was written to the socket,
 * so Redis may have run it. Commands are not sent again in the second case unless running them twice is harmless.
 */
export type CommandOutcome = 'not-executed' | 'unknown';

/** Redis cannot be reached, or the breaker of the connection is open. */
export class RedisUnreachableError extends NuthatchError {
  constructor(
    readonly connection: string,
    reason: string,
    readonly outcome: CommandOutcome,
    options?: { cause?: unknown },
  ) {
    super('REDIS_UNREACHABLE', `Redis connection "${connection}" is unreachable: ${reason}`, options);
  }
}

/** Redis did not answer within the deadline of the call. */
export class RedisTimeoutError extends NuthatchError {
  constructor(
    readonly connection: string,
    readonly command: string,
    readonly timeoutMs: number,
    readonly outcome: CommandOutcome,
  ) {
    super(
      'REDIS_TIMEOUT',
      `Redis connection "${connection}" did not answer ${command.toUpperCase()} within ${timeoutMs}ms. ` +
        `Raise "commandTimeout" if the command is slow by nature, or look at the server's slowlog.`,
    );
  }
}

/** The options of the module are wrong; `mistakes` lists every one of them: what, the value, the fix. */
export class RedisOptionsError extends NuthatchError {
  constructor(readonly mistakes: readonly string[]) {
    super('REDIS_OPTIONS', `RedisModule has wrong options:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`);
  }
}

/** Something that only a Redis server can do was asked of an embedded connection. */
export class EmbeddedConnectionError extends NuthatchError {
  constructor(
    readonly connection: string,
    what: string,
  ) {
    super(
      'REDIS_EMBEDDED',
      `Connection "${connection}" is embedded and has no ${what}. Give it a server: set REDIS_URL, or ` +
        `RedisModule.forRoot({ connections: { ${JSON.stringify(connection)}: { mode: 'standalone', url: 'redis://localhost:6379' } } }).`,
    );
  }
}

/** No connection of that name is configured. */
export class UnknownConnectionError extends NuthatchError {
  constructor(
    readonly connection: string,
    known: readonly string[],
  ) {
    super(
      'REDIS_UNKNOWN_CONNECTION',
      `There is no Redis connection "${connection}". Configured: ${known.map((name) => `"${name}"`).join(', ')}. ` +
        `Add it to "connections" of RedisModule.forRoot().`,
    );
  }
}

/** A part of a key, or a whole key, cannot be used. */
export class RedisKeyError extends NuthatchError {
  constructor(message: string) {
    super('REDIS_KEY', message);
  }
}

/** A decorated method ran on an object that Nest did not build, so nothing was injected into it. */
export class ServiceNotInjectedError extends NuthatchError {
  constructor(owner: string, method: string, hint: string) {
    super('NUTHATCH_NOT_INJECTED', `${owner}.${method}() was called on an object that Nest did not create. ${hint}`);
  }
}

/** A codec cannot carry a value, or cannot read what is stored. The message holds the path, never the value. */
export class CodecError extends NuthatchError {
  constructor(
    message: string,
    readonly path: string,
    options?: { cause?: unknown },
  ) {
    super('CODEC', message, options);
  }
}
