/** Where a node of a Cluster sends what it was asked. It has not run the command. */
export interface Redirection {
  /** `host:port` */
  readonly place: string;
  /** Only this once, and said by ASKING: the slot is on its way there. */
  readonly asking: boolean;
}

/** @param from the node that has replied: one that does not know its own name leaves it out */
export function redirectionOf(error: unknown, from: string): Redirection | undefined {
  const [, kind, host, port] = (error instanceof Error && /^(MOVED|ASK) \d+ (\S*):(\d+)$/.exec(error.message)) || [];
  if (kind === undefined) return undefined;
  return { place: `${host || from.slice(0, from.lastIndexOf(':'))}:${port}`, asking: kind === 'ASK' };
}
