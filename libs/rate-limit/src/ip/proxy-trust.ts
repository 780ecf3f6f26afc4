/** Which proxies a server believes when they say who calls. */
export interface ProxyTrust {
  readonly server: 'Express' | 'Fastify';
  /** As configured; undefined also where it cannot be found. */
  readonly setting: unknown;
  /** Whether it believes anybody at all. */
  readonly any: boolean;
}

/** Addresses that are nobody's (RFC 5737, RFC 3849), at a hop that no chain of proxies has. */
const STRANGERS = ['198.51.100.77', '2001:db8::77'];
const FAR_HOP = 1_000;

/** @param app an application of Express */
export function trustOfExpress(app: unknown): ProxyTrust | undefined {
  if (!hasSettings(app)) return undefined;
  const setting = app.get('trust proxy');
  return { server: 'Express', setting, any: Boolean(setting) };
}

/** @param instance an instance of Fastify, or one of its children */
export function trustOfFastify(instance: unknown): ProxyTrust {
  const setting = fastifyOptionsOf(instance)?.trustProxy;
  return { server: 'Fastify', setting, any: Boolean(setting) };
}

/** Whether it believes whoever calls, so that everybody can say to be anybody. Lists cannot: both servers refuse a `/0`. */
export function trustsEverybody({ setting }: ProxyTrust): boolean {
  if (typeof setting !== 'function') return setting === true;
  return STRANGERS.some((address) => trusts(setting, address));
}

function trusts(setting: unknown, address: string): boolean {
  try {
    return (setting as (address: string, hop: number) => unknown)(address, FAR_HOP) === true;
  } catch {
    // It is made for real requests only, so nothing is known of it.
    return false;
  }
}

function hasSettings(app: unknown): app is { get(name: string): unknown } {
  return typeof app === 'function' && typeof (app as { get?: unknown }).get === 'function' && 'settings' in app;
}

// Fastify does not tell `trustProxy` in `initialConfig`, and keeps its options behind a symbol of its own.
function fastifyOptionsOf(instance: unknown): { trustProxy?: unknown } | undefined {
  let at = instance;
  while (typeof at === 'object' && at !== null) {
    const symbol = Object.getOwnPropertySymbols(at).find(({ description }) => description === 'fastify.options');
    if (symbol) return (at as Record<symbol, { trustProxy?: unknown }>)[symbol];
    at = Object.getPrototypeOf(at);
  }
  return undefined;
}
