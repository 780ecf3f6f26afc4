import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { eventually, sharedTopologies, startProxy, startStandalone, type RedisServer, type TcpProxy } from './index.js';

/** A client without any mind of its own: what it sent, what came, and how it ended. */
class Wire {
  received = '';
  end: 'open' | 'closed' | 'ECONNRESET' | 'ECONNREFUSED' = 'open';
  readonly socket: Socket;

  constructor({ host, port }: { host: string; port: number }) {
    this.socket = connect({ host, port, noDelay: true });
    this.socket.on('data', (bytes) => (this.received += bytes.toString()));
    this.socket.on('error', (error: NodeJS.ErrnoException) => (this.end = error.code as 'ECONNRESET'));
    this.socket.on('close', () => (this.end = this.end === 'open' ? 'closed' : this.end));
  }

  send(commands: string): void {
    this.socket.write(commands);
  }

  async gets(reply: string): Promise<void> {
    await eventually(`the client has received ${JSON.stringify(reply)}`, async () => this.received === reply, 2_000);
  }

  async ends(how: Wire['end']): Promise<void> {
    await eventually(`the connection is ${how}, not ${this.end}`, async () => this.end === how, 2_000);
  }
}

describe('A proxy in front of a server', () => {
  let server: RedisServer;
  let proxy: TcpProxy;
  let wires: Wire[];

  const dial = async (): Promise<Wire> => {
    const wire = new Wire(proxy);
    wires.push(wire);
    await once(wire.socket, 'connect');
    return wire;
  };
  const dialAndPing = async (): Promise<Wire> => {
    const wire = await dial();
    wire.send('PING\r\n');
    await wire.gets('+PONG\r\n');
    wire.received = '';
    return wire;
  };

  beforeAll(async () => {
    server = await startStandalone();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    wires = [];
    proxy = await startProxy(server);
  });
  afterEach(async () => {
    for (const { socket } of wires) socket.destroy();
    await proxy.stop();
  });

  it('forwards both ways and counts its connections', async () => {
    await Promise.all([dialAndPing(), dialAndPing()]);
    expect(proxy.connections()).toBe(2);
    wires[0]?.socket.end();
    await eventually('one is left', async () => proxy.connections() === 1);
  });

  it('forwards large replies whole', async () => {
    await server.call('SET', 'large', 'x'.repeat(3_000_000));
    const wire = await dial();
    wire.send('GET large\r\n');
    await eventually('all has come', async () => wire.received.length === '$3000000\r\n\r\n'.length + 3_000_000);
  });

  it('resets connections when cut, refuses new ones, and takes them again when healed', async () => {
    const wire = await dialAndPing();
    proxy.cut();
    await wire.ends('ECONNRESET');
    const refused = new Wire(proxy);
    await refused.ends('ECONNREFUSED');
    expect(proxy.connections()).toBe(0);
    proxy.heal();
    await dialAndPing();
  });

  it('loses everything in a black hole without a sign, and resets what lost something when healed', async () => {
    const [talking, idle] = [await dialAndPing(), await dialAndPing()];
    proxy.blackhole();
    const late = await dial();
    talking.send('SET lost 1\r\n');
    late.send('PING\r\n');
    await sleep(150);
    expect(wires.map(({ received, end }) => [received, end])).toEqual([
      ['', 'open'],
      ['', 'open'],
      ['', 'open'],
    ]);
    expect(await server.call('GET', 'lost')).toBeNull();
    proxy.heal();
    await Promise.all([talking.ends('ECONNRESET'), late.ends('ECONNRESET')]);
    idle.send('PING\r\n');
    await idle.gets('+PONG\r\n');
  });

  it('loses only the replies, or only the requests, and resets what lost something when healed', async () => {
    const wire = await dialAndPing();
    proxy.blackhole('replies');
    wire.send('SET arrived 1\r\n');
    await eventually('the server has run it', async () => (await server.call('GET', 'arrived')) === '1');
    expect([wire.received, wire.end]).toEqual(['', 'open']);
    proxy.heal();
    await wire.ends('ECONNRESET');

    const pushed = await dial();
    pushed.send('SUBSCRIBE news\r\n');
    await eventually('subscribed', async () => pushed.received.endsWith(':1\r\n'));
    pushed.received = '';
    proxy.blackhole('requests');
    pushed.send('SUBSCRIBE more\r\n');
    await server.call('PUBLISH', 'news', 'hatched');
    await pushed.gets('*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$7\r\nhatched\r\n');
    expect(await server.call('PUBSUB', 'CHANNELS')).toEqual(['news']);
    proxy.heal();
    await pushed.ends('ECONNRESET');
  });

  it('keeps a closed connection from the other side in a black hole, until it is healed', async () => {
    const wire = await dialAndPing();
    const clients = async (): Promise<number> =>
      String(await server.call('CLIENT', 'LIST'))
        .trim()
        .split('\n').length;
    const before = await clients();
    proxy.blackhole();
    wire.socket.destroy();
    await sleep(100);
    expect(proxy.connections()).toBe(0);
    expect(await clients()).toBe(before);
    proxy.heal();
    await eventually('the server has lost the client', async () => (await clients()) === before - 1);
  });

  it('holds replies back for the delay, in order', async () => {
    const wire = await dialAndPing();
    proxy.delay(120);
    const start = performance.now();
    wire.send('ECHO a\r\n');
    await sleep(20);
    proxy.delay(0);
    wire.send('ECHO b\r\n');
    await wire.gets('$1\r\na\r\n$1\r\nb\r\n');
    expect(performance.now() - start).toBeGreaterThanOrEqual(118);
  });

  it('lets go of delayed replies when healed', async () => {
    const wire = await dialAndPing();
    proxy.delay(60_000);
    wire.send('PING\r\n');
    await sleep(50);
    expect(wire.received).toBe('');
    proxy.heal();
    await wire.gets('+PONG\r\n');
  });

  it('swallows the third reply and resets the connection, though the server has run the command', async () => {
    await server.call('DEL', 'counter');
    const wire = await dialAndPing();
    proxy.dropReply(3);
    wire.send('INCR counter\r\nMGET counter none\r\nINCR counter\r\nECHO never\r\n');
    await wire.ends('ECONNRESET');
    expect(wire.received).toBe(':1\r\n*2\r\n$1\r\n1\r\n$-1\r\n');
    expect(await server.call('GET', 'counter')).toBe('2');
    await dialAndPing();
  });

  it('does not take a push for a reply', async () => {
    const wire = await dial();
    wire.send('HELLO 3\r\nSUBSCRIBE news\r\n');
    await eventually('subscribed', async () => wire.received.endsWith(':1\r\n'));
    wire.received = '';
    proxy.dropReply(1);
    await server.call('PUBLISH', 'news', 'hatched');
    await wire.gets('>3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$7\r\nhatched\r\n');
    wire.send('PING\r\n');
    await wire.ends('ECONNRESET');
  });

  it('accepts and closes new connections, and keeps the old one', async () => {
    const old = await dialAndPing();
    proxy.acceptAndClose();
    const wire = await dial();
    await wire.ends('closed');
    old.send('PING\r\n');
    await old.gets('+PONG\r\n');
    proxy.heal();
    await dialAndPing();
  });

  it('accepts new connections after a cut too, and closes them', async () => {
    proxy.cut();
    proxy.acceptAndClose();
    await (await dial()).ends('closed');
  });

  it('accepts new connections in silence, keeps the old one, and resets the silent ones when healed', async () => {
    const old = await dialAndPing();
    proxy.acceptAndSilence();
    const silent = await dial();
    silent.send('PING\r\n');
    old.send('PING\r\n');
    await old.gets('+PONG\r\n');
    expect([silent.received, silent.end]).toEqual(['', 'open']);
    proxy.heal();
    await silent.ends('ECONNRESET');
  });

  it('passes on that the server was killed, and reaches it again after its restart', async () => {
    const wire = await dialAndPing();
    await server.kill();
    await eventually('the client is told', async () => wire.end !== 'open');
    const refused = await dial();
    await refused.ends('ECONNRESET');
    await server.restart();
    await dialAndPing();
  });

  it('works in front of any address, on the real clock even if a spec fakes time', async () => {
    const other = await startProxy(sharedTopologies().standalone);
    other.delay(50);
    const wire = new Wire(other);
    jest.useFakeTimers();
    try {
      wire.send('PING\r\n');
      await wire.gets('+PONG\r\n');
    } finally {
      jest.useRealTimers();
      await other.stop();
    }
  });
});
