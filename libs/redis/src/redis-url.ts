/** What a connection URL says. */
export interface RedisUrl {
  readonly address: { readonly path: string } | { readonly host: string; readonly port: number };
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly tls: boolean;
  readonly db: number | undefined;
}

/** Reads `redis://`, `rediss://` and `unix://` URLs; anything else is undefined. */
export function parseRedisUrl(value: unknown): RedisUrl | undefined {
  if (typeof value !== 'string') return undefined;
  try {
    return readRedisUrl(new URL(value));
  } catch {
    // Neither a URL nor a broken percent sequence in one is worth more than the mistake that is reported for both.
    return undefined;
  }
}

function readRedisUrl(url: URL): RedisUrl | undefined {
  const username = decodeURIComponent(url.username) || undefined;
  const password = decodeURIComponent(url.password) || undefined;
  if (url.protocol === 'unix:') {
    const db = url.searchParams.get('db');
    if (url.host !== '' || url.pathname.length < 2 || (db !== null && !/^\d+$/.test(db))) return undefined;
    return {
      address: { path: decodeURIComponent(url.pathname) },
      username,
      password,
      tls: false,
      db: db === null ? undefined : Number(db),
    };
  }
  const db = url.pathname.replace(/^\//, '');
  if (!['redis:', 'rediss:'].includes(url.protocol) || !url.hostname || !/^\d*$/.test(db)) return undefined;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const address = { host, port: url.port ? Number(url.port) : 6379 };
  if (address.port === 0) return undefined;
  return { address, username, password, tls: url.protocol === 'rediss:', db: db === '' ? undefined : Number(db) };
}
