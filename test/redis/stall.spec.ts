import { startStandalone, type RedisServer } from '../harness/index.js';
import { closeConnections, openConnection, untilUp } from './open-connection.js';

function blockTheEventLoop(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

describe('a process that stood still for longer than the deadline', () => {
  let server: RedisServer;

  beforeEach(async () => {
    server = await startStandalone();
  });
  afterEach(async () => {
    await closeConnections();
    await server.stop();
  });

  it('takes the replies that came meanwhile, and holds nothing against the server', async () => {
    const { connection } = await openConnection({ mode: 'standalone', url: server.url, commandTimeout: '300ms' });
    await untilUp(connection);
    const sockets = await server.call('CLIENT', 'LIST');

    const pending = Promise.all(Array.from({ length: 10 }, () => connection.client.get('key')));
    await new Promise((resolve) => setImmediate(resolve));
    blockTheEventLoop(700);

    await expect(pending).resolves.toEqual(Array.from({ length: 10 }, () => null));
    expect(connection.state).toBe('ready');
    const ids = (list: unknown): string[] => String(list).match(/^id=\d+/gm) ?? [];
    expect(ids(await server.call('CLIENT', 'LIST'))).toEqual(ids(sockets));
  });
});
