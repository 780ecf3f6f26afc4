import { createDemoApp, type DemoOptions } from '../src/create-demo-app.js';

/** A running shop, asked over HTTP. */
export interface Shop {
  get<T = unknown>(path: string): Promise<Answer<T>>;
  patch<T = unknown>(path: string, body: unknown): Promise<Answer<T>>;
  close(): Promise<void>;
}

export interface Answer<T> {
  readonly status: number;
  /** `hit` or `miss`. */
  readonly cache: string | null;
  readonly body: T;
}

/** The parts of a 400 that the specs look at. */
export interface Complaint {
  readonly message: readonly string[];
  readonly fields: readonly string[];
}

/** Without `env` no variable of the machine is read: the cache is embedded. */
export async function openShop(options: DemoOptions): Promise<Shop> {
  const app = await createDemoApp({ env: {}, logger: false, ...options });
  await app.listen(0, '127.0.0.1');
  const address = await app.getUrl();

  async function ask<T>(path: string, init?: RequestInit): Promise<Answer<T>> {
    const response = await fetch(address + path, init);
    return {
      status: response.status,
      cache: response.headers.get('x-cache'),
      body: (await response.json()) as T,
    };
  }

  return {
    get: (path) => ask(path),
    patch: (path, body) =>
      ask(path, { method: 'PATCH', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    close: () => app.close(),
  };
}
