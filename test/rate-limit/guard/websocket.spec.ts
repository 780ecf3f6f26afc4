import {
  Catch,
  UseFilters,
  UseGuards,
  type ArgumentsHost,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
  type INestApplication,
} from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsAdapter } from '@nestjs/platform-ws';
import { MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { NEVER, of, throwError } from 'rxjs';
import { io, type Socket } from 'socket.io-client';
import { WebSocket } from 'ws';
import {
  type RateLimitDecision,
  RateLimit,
  RateLimitExceededError,
  RateLimitInfo,
  concurrency,
  fixedWindow,
} from '@nuthatch/rate-limit';
import { closeApps, startApp, until, type GuardedApp, type GuardedAppOptions } from './guarded-app.js';

const policies = {
  two: fixedWindow({ limit: 2, per: '1m' }),
  wide: fixedWindow({ limit: 100, per: '1m', by: 'endpoint' }),
  user: fixedWindow({ limit: 2, per: '1m', by: 'user' }),
  key: fixedWindow({ limit: 2, per: '1m', by: 'header:x-key' }),
  failures: fixedWindow({ limit: 50, per: '1m', when: 'failures', by: 'endpoint' }),
  places: concurrency({ max: 1, by: 'endpoint' }),
};

interface Client {
  send(event: string, data?: unknown): void;
  /** Everything that has come, as `[event, data]`. */
  readonly received: [string, unknown][];
  close(): void;
}

class LoginGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const name: unknown = context.switchToWs().getData();
    if (name === 'wrong') return false;
    if (typeof name === 'string') context.switchToWs().getClient<{ user?: unknown }>().user = { id: name };
    return true;
  }
}

@Catch(RateLimitExceededError)
class OwnFilter implements ExceptionFilter {
  catch(error: RateLimitExceededError & WsException, host: ArgumentsHost): void {
    const told = { event: 'own', data: { code: error.code, violated: error.decision.violated } };
    const client = host
      .switchToWs()
      .getClient<{ send(data: string): void; emit(event: string, data: unknown): void; readyState?: number }>();
    if (client.readyState === undefined) client.emit(told.event, told.data);
    else client.send(JSON.stringify(told));
  }
}

@WebSocketGateway()
class Chat {
  @SubscribeMessage('say') @RateLimit('two', 'wide') say(
    @MessageBody() text: string,
    @RateLimitInfo() info: RateLimitDecision,
  ) {
    return { event: 'said', data: `${text} ${info.policies.map(({ name }) => name).join()} ${info.remaining}` };
  }
  @SubscribeMessage('free') free(@RateLimitInfo() info: RateLimitDecision | undefined) {
    return { event: 'freed', data: info === undefined };
  }
  @SubscribeMessage('login') @RateLimit('user', 'wide') @UseGuards(LoginGuard) login() {
    return { event: 'welcome', data: 'in' };
  }
  @SubscribeMessage('early') @UseGuards(LoginGuard) @RateLimit('user', 'wide') early() {
    return { event: 'welcome', data: 'early' };
  }
  @SubscribeMessage('guarded') @UseGuards(LoginGuard) @RateLimit('failures') guarded(@MessageBody() data: string) {
    if (data === 'bad') throw new WsException('bad');
    return data === 'stream' ? of({ event: 'one', data: 1 }, { event: 'two', data: 2 }) : { event: 'ok', data };
  }
  @SubscribeMessage('torn') @RateLimit('failures') torn() {
    return throwError(() => new WsException('torn'));
  }
  @SubscribeMessage('work') @RateLimit('places') work() {
    return NEVER;
  }
  @SubscribeMessage('keyed') @RateLimit('key') keyed() {
    return { event: 'keyed', data: '' };
  }
  @SubscribeMessage('own') @RateLimit('places') @UseFilters(OwnFilter) own() {
    return NEVER;
  }
}

const clients: Client[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await closeApps();
});

const SOCKETS = {
  ws: {
    adapter: (app: INestApplication) => new WsAdapter(app),
    async connect(url: string, headers: Record<string, string>): Promise<Client> {
      const socket = new WebSocket(url.replace('http', 'ws'), { headers });
      const received: [string, unknown][] = [];
      socket.on('message', (text: Buffer) => {
        const { event, data } = JSON.parse(text.toString()) as { event: string; data: unknown };
        received.push([event, data]);
      });
      await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
      return {
        received,
        send: (event, data) => socket.send(JSON.stringify({ event, data })),
        close: () => socket.close(),
      };
    },
  },
  'socket.io': {
    adapter: (app: INestApplication) => new IoAdapter(app),
    async connect(url: string, headers: Record<string, string>): Promise<Client> {
      const socket: Socket = io(url, {
        transports: ['websocket'],
        forceNew: true,
        reconnection: false,
        extraHeaders: headers,
      });
      const received: [string, unknown][] = [];
      socket.onAny((event: string, data: unknown) => received.push([event, data]));
      await new Promise<void>((resolve, reject) => void socket.once('connect', resolve).once('connect_error', reject));
      return { received, send: (event, data) => void socket.emit(event, data), close: () => void socket.close() };
    },
  },
};

describe.each(['ws', 'socket.io'] as const)('RateLimitGuard for messages of %s', (name) => {
  const { adapter, connect } = SOCKETS[name];

  async function start(
    options: GuardedAppOptions = {},
    headers: Record<string, string> = {},
  ): Promise<GuardedApp & { client: Client }> {
    const started = await startApp('express', {
      policies,
      providers: [Chat],
      prepare: (app) => void app.useWebSocketAdapter(adapter(app)),
      ...options,
    });
    const client = await connect(started.url, headers);
    clients.push(client);
    return { ...started, client };
  }

  /** What is answered to these messages, sent one after the other. */
  async function answers(client: Client, ...messages: [string, unknown][]): Promise<[string, unknown][]> {
    for (const [event, data] of messages) {
      const before = client.received.length;
      client.send(event, data);
      await until(() => expect(client.received.length).toBeGreaterThan(before));
    }
    return client.received;
  }

  it('limits messages, and sends what was denied as an exception', async () => {
    const { client, gate } = await start();

    const received = await answers(client, ['say', 'a'], ['say', 'b'], ['say', 'c']);

    expect(received.slice(0, 2)).toEqual([
      ['said', 'a two,wide 1'],
      ['said', 'b two,wide 0'],
    ]);
    expect(received[2]).toEqual([
      'exception',
      expect.objectContaining({
        code: 'RATE_LIMIT_EXCEEDED',
        message: 'The limit "two" is reached. Try again in 13 seconds.',
        retryAfterMs: 12_500,
        'violated-policies': ['two'],
      }),
    ]);
    expect(gate.asked[0]).toEqual(['two@ip:127.0.0.1', 'wide@endpoint:RootTestModule/Chat.say']);
    expect(await answers(client, ['free', 'x'])).toContainEqual(['freed', true]);
  });

  it('counts defaults and decorators together, once', async () => {
    const { client, gate } = await start({ defaults: ['wide'] });

    await answers(client, ['say', 'a'], ['free', '']);

    expect(gate.asked).toEqual([
      ['wide@endpoint:RootTestModule/Chat.say', 'two@ip:127.0.0.1'].toSorted().toReversed(),
      ['wide@endpoint:RootTestModule/Chat.free'],
    ]);
  });

  it('waits for the user of a message, and refuses when there is none', async () => {
    const { client, gate } = await start();

    const received = await answers(client, ['early', 0], ['early', 'ann'], ['login', 'ann'], ['login', 'ann']);

    expect(received).toEqual([
      ['exception', expect.objectContaining({ code: 'RATE_LIMIT_CALL', status: 401 })],
      ['welcome', 'early'],
      ['welcome', 'in'],
      ['exception', expect.objectContaining({ code: 'RATE_LIMIT_EXCEEDED', 'violated-policies': ['user'] })],
    ]);
    const [early, login] = ['early', 'login'].map((method) => `wide@endpoint:RootTestModule/Chat.${method}`);
    expect(gate.asked).toEqual([
      [early],
      [early],
      ['user@user:ann'],
      ['user@user:ann', login],
      ['user@user:ann', login],
    ]);
  });

  it('tells how a message went, and leaves none open that a later guard denies', async () => {
    const { client, gate } = await start();

    await answers(
      client,
      ['guarded', 'good'],
      ['guarded', 'wrong'],
      ['guarded', 'bad'],
      ['guarded', 'stream'],
      ['torn', ''],
    );

    const guarded = 'failures@endpoint:RootTestModule/Chat.guarded';
    await until(() =>
      expect(gate.finished).toEqual([
        `${guarded}: success`,
        `${guarded}: failure`,
        `${guarded}: success`,
        'failures@endpoint:RootTestModule/Chat.torn: failure',
      ]),
    );
    expect(gate.asked).toHaveLength(4);
  });

  it('keeps the place of a message until it ends, or its client is gone', async () => {
    const { client, gate, url } = await start();
    client.send('work', '');
    await until(() => expect(gate.asked).toHaveLength(1));

    expect(await answers(client, ['work', ''])).toEqual([
      ['exception', expect.objectContaining({ code: 'RATE_LIMIT_EXCEEDED' })],
    ]);
    client.close();

    await until(() => expect(gate.finished).toEqual(['places@endpoint:RootTestModule/Chat.work: unknown']));
    const other = await connect(url, {});
    clients.push(other);
    other.send('work', '');
    await until(() => expect(gate.asked).toHaveLength(3));
    expect(other.received).toEqual([]);
  });

  it('frees the place when the client goes away while that is decided', async () => {
    const { client, gate } = await start();
    let decide = (): void => undefined;
    gate.beforeDecision = () => new Promise((resolve) => (decide = resolve));
    client.send('work', '');
    await until(() => expect(gate.asked).toHaveLength(1));

    client.close();
    await new Promise((resolve) => setTimeout(resolve, 100));
    decide();

    await until(() => expect(gate.finished).toEqual(['places@endpoint:RootTestModule/Chat.work: unknown']));
  });

  it('can be caught by a filter of the application', async () => {
    const { client, gate } = await start();
    client.send('own', '');
    await until(() => expect(gate.asked).toHaveLength(1));

    expect(await answers(client, ['own', ''])).toEqual([
      ['own', { code: 'RATE_LIMIT_EXCEEDED', violated: ['places'] }],
    ]);
  });

  it('knows the headers of the handshake', async () => {
    const { client, gate } = await start({}, { 'x-key': 'k1' });

    await answers(client, ['keyed', '']);

    // "ws" keeps no request, unless handleConnection() puts it on the client.
    expect(gate.asked).toEqual([[`key@header:x-key:${name === 'ws' ? '' : 'k1'}`]]);
  });
});
