import { once } from 'node:events';
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { holdWrites } from './hold-writes.js';

let server: Server;
let port: number;
let received: Promise<Buffer>[];
const sockets: Socket[] = [];

beforeEach(async () => {
  received = [];
  server = createServer((peer) => {
    received.push(readAll(peer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.close();
  await once(server, 'close');
});

async function readAll(peer: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of peer) chunks.push(chunk as Buffer);
  peer.end();
  return Buffer.concat(chunks);
}

/** A socket that holds its writes, and what it hands on to the real one. */
async function connect(): Promise<{ socket: Socket; written: unknown[] }> {
  const socket = createConnection(port, '127.0.0.1');
  const write = jest.spyOn(socket, 'write');
  holdWrites(socket);
  // Unread, the end that the peer sends would keep it from closing.
  socket.resume();
  sockets.push(socket);
  await once(socket, 'connect');
  return {
    socket,
    get written() {
      return write.mock.calls.map(([chunk]) => chunk);
    },
  };
}

async function textReceived(socket: Socket): Promise<string> {
  const closed = once(socket, 'close');
  if (!socket.writableEnded) socket.end();
  await closed;
  return (await received[0]!).toString();
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('A socket that holds its writes', () => {
  it('sends all text of one tick in one piece', async () => {
    const connection = await connect();

    connection.socket.write('a');
    connection.socket.write('b');
    await Promise.resolve().then(() => connection.socket.write('c'));
    expect(connection.written).toEqual([]);
    await nextTurn();

    expect(connection.written).toEqual(['abc']);
    expect(await textReceived(connection.socket)).toBe('abc');
  });

  it('sends what comes in the next turn by itself', async () => {
    const connection = await connect();

    for (const text of ['a', 'b', 'c']) {
      connection.socket.write(text);
      await nextTurn();
    }

    expect(connection.written).toEqual(['a', 'b', 'c']);
    expect(await textReceived(connection.socket)).toBe('abc');
  });

  it('keeps text and buffers in the order in which they were written', async () => {
    const chunk = fc.oneof(fc.string({ unit: 'grapheme', minLength: 1 }), fc.uint8Array({ minLength: 1 }));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(chunk, fc.boolean()), { minLength: 1 }), async (chunks) => {
        received = [];
        const { socket } = await connect();

        for (const [data, pause] of chunks) {
          socket.write(typeof data === 'string' ? data : Buffer.from(data));
          if (pause) await nextTurn();
        }
        const closed = once(socket, 'close');
        socket.end();
        await closed;

        expect(await received[0]).toEqual(Buffer.concat(chunks.map(([data]) => Buffer.from(data))));
      }),
      { numRuns: 50 },
    );
  });

  it('sends the held text before a write that has a callback or an encoding', async () => {
    const connection = await connect();
    const called = new Promise<void>((resolve) => {
      connection.socket.write('a');
      connection.socket.write('62', 'hex', () => resolve());
      connection.socket.write('c');
    });

    await called;
    await nextTurn();

    expect(connection.written).toEqual(['a', '62', 'c']);
    expect(await textReceived(connection.socket)).toBe('abc');
  });

  it('does not hold more than 64 KB', async () => {
    const connection = await connect();
    const kilobyte = 'x'.repeat(1_024);

    for (let count = 0; count < 65; count++) connection.socket.write(kilobyte);
    expect(connection.written).toHaveLength(1);
    connection.socket.write('y');
    await nextTurn();

    expect(connection.written).toEqual([kilobyte.repeat(65), 'y']);
    expect(await textReceived(connection.socket)).toHaveLength(65 * 1_024 + 1);
  });

  it('sends what it holds before it ends', async () => {
    const { socket } = await connect();

    socket.write('a');
    socket.end('b');

    expect(await textReceived(socket)).toBe('ab');
  });

  it('drops what it holds when it is destroyed', async () => {
    const connection = await connect();
    const errors: Error[] = [];
    connection.socket.on('error', (error) => errors.push(error));

    connection.socket.write('a');
    connection.socket.destroy();
    await nextTurn();

    expect(connection.written).toEqual([]);
    expect(errors).toEqual([]);
  });
});
