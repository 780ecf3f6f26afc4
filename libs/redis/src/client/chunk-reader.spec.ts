import { once } from 'node:events';
import {
  createConnection,
  createServer,
  type AddressInfo,
  type NetConnectOpts,
  type Server,
  type Socket,
} from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ChunkReader } from './chunk-reader.js';

let server: Server;
let peer: Promise<Socket>;
let sockets: Socket[];

beforeEach(async () => {
  sockets = [];
  server = createServer();
  peer = once(server, 'connection').then(([socket]) => socket as Socket);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(async () => {
  for (const socket of [...sockets, await peer]) socket.destroy();
  server.close();
  await once(server, 'close');
});

async function connect(options: Partial<NetConnectOpts> = {}): Promise<{ socket: Socket; chunks: Buffer[] }> {
  const { port } = server.address() as AddressInfo;
  const reader = new ChunkReader();
  const connecting = { host: '127.0.0.1', port, ...options, onread: reader.onread } as NetConnectOpts;
  const socket = reader.attach(createConnection(connecting));
  sockets.push(socket);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk as Buffer));
  await once(socket, 'connect');
  return { socket, chunks };
}

describe('A socket that reads into one buffer', () => {
  it('hands out all that comes, in order, also more than the buffer holds', async () => {
    const { socket, chunks } = await connect();
    const sent = Buffer.from(Uint8Array.from({ length: 500_000 }, (_, index) => (index * 7 + (index >> 8)) % 251));

    (await peer).end(sent);
    await once(socket, 'end');

    expect(Buffer.concat(chunks).equals(sent)).toBe(true);
  });

  it('leaves a chunk as it was when the next has come', async () => {
    const { socket, chunks } = await connect();
    const other = await peer;
    for (const text of ['first', 'other', 'third']) {
      other.write(text);
      await once(socket, 'data');
    }

    expect(chunks.map(String)).toEqual(['first', 'other', 'third']);
  });

  it('keeps no more memory for a small chunk than its bytes take in the pool of Node', async () => {
    const { socket, chunks } = await connect();

    (await peer).write('small');
    await once(socket, 'data');

    expect(chunks[0]!.buffer.byteLength).toBeLessThanOrEqual(Buffer.poolSize);
  });

  it('closes when the other side does', async () => {
    const { socket } = await connect();

    (await peer).end();
    await once(socket, 'close');

    expect(socket.destroyed).toBe(true);
  });

  it('reads from the second address of a host where the first refuses', async () => {
    const addresses = [
      { address: '127.0.0.2', family: 4 },
      { address: '127.0.0.1', family: 4 },
    ];
    const { socket, chunks } = await connect({
      host: 'two.addresses.test',
      autoSelectFamily: true,
      lookup: (_host, _options, found) => found(null, addresses),
    });

    (await peer).write('here');
    await once(socket, 'data');

    expect(chunks.map(String)).toEqual(['here']);
  });
});
