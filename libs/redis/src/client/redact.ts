/**
 * Takes the values of a command out of an error of ioredis, which keeps all raw arguments on `error.command` and, for an
 * unknown command, the first ones in the message of the server. The name of the command stays.
 */
export function redact<E>(error: E): E {
  if (!(error instanceof Error)) return error;
  const carrier = error as Error & { command?: { name: string; args?: unknown }; previousErrors?: unknown[] };
  if (carrier.command) carrier.command = { name: carrier.command.name };
  const leak = carrier.message.search(/,? with args beginning with/);
  if (leak !== -1) {
    carrier.message = carrier.message.slice(0, leak);
    carrier.stack = `${carrier.name}: ${carrier.message}`;
  }
  return error;
}

/** An address as it may be printed: no user, no password, no query. */
export function printableAddress(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url);
    return `${protocol}//${host}${pathname}`;
  } catch {
    return '(not a URL)';
  }
}
