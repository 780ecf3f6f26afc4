import { randomUUID } from 'node:crypto';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { RateLimiter, type LimitOverride, type PolicyState, type TopConsumer } from '@nuthatch/rate-limit';
import { eventually, sharedTopologies } from '../../../test/harness/index.js';
import { createDemoApp, type DemoOptions } from '../src/create-demo-app.js';
import type { ChatMessage } from '../src/limits/chat.controller.js';
import type { LimitName } from '../src/limits/limits.js';

const HERE = 'ip:127.0.0.1';
const OPERATOR_TOKEN = 'a token of operators';
const OPERATOR = { 'x-operator-token': OPERATOR_TOKEN };

type Headers = Readonly<Record<string, string>>;

interface Answer<T = unknown> {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: T;
}

interface Asked {
  readonly headers?: Headers;
  readonly body?: object | string;
  /** @default 127.0.0.1 */
  readonly from?: string;
}

const shops = (['express', 'fastify'] as const).flatMap((adapter) =>
  (['embedded', 'redis'] as const).map((store) => ({ adapter, store })),
);

let app: INestApplication;
let port: number;
let users = 0;

async function open(options: DemoOptions): Promise<void> {
  app = await createDemoApp({ namespace: `demo-${randomUUID()}`, cities: 100, logger: false, ...options });
  await app.listen(0, '127.0.0.1');
  port = Number(new URL(await app.getUrl()).port);
}

function send(method: string, path: string, { headers = {}, from = '127.0.0.1' }: Asked = {}): ClientRequest {
  return request({ host: '127.0.0.1', port, method, path, headers, localAddress: from, agent: false });
}

async function answerTo<T>(sent: ClientRequest): Promise<Answer<T>> {
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const { statusCode = 0, headers } = response;
  const hasBody = headers['content-type'] !== undefined;
  return { status: statusCode, headers, body: (hasBody ? await json(response) : response.resume()) as T };
}

function ask<T>(method: string, path: string, { body, headers, ...asked }: Asked = {}): Promise<Answer<T>> {
  const type = typeof body === 'string' ? 'application/octet-stream' : 'application/json';
  const sent = send(method, path, { ...asked, headers: { ...(body && { 'content-type': type }), ...headers } });
  sent.end(typeof body === 'string' ? body : body && JSON.stringify(body));
  return answerTo<T>(sent);
}

/** Somebody who has no limit used up. */
async function logIn(): Promise<{ readonly account: string; readonly headers: Headers }> {
  const account = `user-${(users += 1)}@example.com`;
  const { body } = await ask<{ token: string }>('POST', '/auth/login', { body: { account, password: 'opensesame' } });
  return { account, headers: { authorization: `Bearer ${body.token}` } };
}

/** What is left of a policy by the header `RateLimit`. */
function left({ headers }: Answer, policy: string): number | undefined {
  const found = new RegExp(`"${policy}";r=(\\d+)`).exec(String(headers['ratelimit']));
  return found ? Number(found[1]) : undefined;
}

const PRESETS: [
  policy: LimitName,
  limit: number,
  inSeconds: number,
  method: string,
  path: string,
  body: Asked['body'],
][] = [
  ['api', 100, 900, 'GET', '/flags', undefined],
  ['auth', 5, 900, 'POST', '/auth/login', { account: 'ada@example.com', password: 'a guess' }],
  ['payment', 10, 3600, 'POST', '/payments', { eventId: 7, seats: 2 }],
  ['chat', 20, 60, 'POST', '/chat/messages', { text: 'Hello' }],
  ['search', 30, 60, 'GET', '/search?text=arena', undefined],
  ['search', 30, 60, 'GET', '/events?near=Tokyo', undefined],
  ['upload', 5, 60, 'POST', '/uploads', 'a file'],
  ['biometric', 3, 300, 'POST', '/auth/biometric', { fingerprint: 'none' }],
];
/** These give back while they are asked. */
const EVENLY: readonly string[] = ['api', 'chat'];

describe.each(shops)('The limits of the ticket shop on $adapter, kept in $store', ({ adapter, store }) => {
  beforeAll(async () => {
    const redis = store === 'redis' ? { REDIS_URL: sharedTopologies().standalone.url } : {};
    await open({ adapter, env: { ...redis, OPERATOR_TOKEN } });
  }, 60_000);

  beforeEach(async () => {
    await app.get(RateLimiter).reset(['api', 'auth', 'search'], HERE);
  });

  afterAll(() => app?.close());

  it.each(PRESETS)(
    '%s gives %i in %i seconds and denies the next: %s %s',
    async (policy, limit, per, method, path, body) => {
      const { headers } = await logIn();
      await app.get(RateLimiter).reset('api', HERE);
      const again = (): Promise<Answer> => ask(method, path, { headers, ...(body && { body }) });
      const startedAt = performance.now();
      let given = 0;
      let answer = await again();
      for (; answer.status !== 429; answer = await again()) {
        given += 1;
        expect(left(answer, policy)).toBeLessThan(limit);
        expect(given).toBeLessThan(2 * limit);
      }
      const givenBack = EVENLY.includes(policy) ? ((performance.now() - startedAt) / 1000 / per) * limit : 0;

      expect(given).toBeGreaterThanOrEqual(limit);
      expect(given).toBeLessThanOrEqual(limit + Math.ceil(givenBack));
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
      expect(answer.headers['ratelimit-policy']).toContain(`"${policy}";q=${limit};w=${per}`);
      expect(left(answer, policy)).toBe(0);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      expect(answer.body).toMatchObject({ status: 429, 'violated-policies': expect.arrayContaining([policy]) });
    },
  );

  it('the default applies to the catalogue, the caches and the warm lists, and not to the health', async () => {
    for (const path of ['/events/7', '/caches', '/customers/7', '/popular', '/venues/US', '/limits/me']) {
      expect([path, (await ask('GET', path)).headers['ratelimit-policy']]).toEqual([
        path,
        expect.stringMatching(/^"api";q=100;w=900;pk=:[^:]+:$/),
      ]);
    }
    const health = await ask('GET', '/health');
    expect(health.status).toBe(200);
    expect(health.headers).not.toHaveProperty('ratelimit-policy');
  });

  it('a login that succeeds counts for nothing', async () => {
    for (let time = 0; time < 10; time++) await logIn();
    await eventually('all is given back', async () => (await app.get(RateLimiter).peek('auth', HERE)).remaining === 5);
  });

  it('whoever guesses passwords of an account is blocked, wherever from, and others are not', async () => {
    const account = `victim-${randomUUID()}@example.com`;
    const guess = (from: string, as = account, password = 'a guess'): Promise<Answer> =>
      ask('POST', '/auth/login', { body: { account: as, password }, from });
    const statuses = [];
    for (const host of [2, 3, 4, 5, 6]) statuses.push((await guess(`127.0.0.${host}`)).status);
    expect(statuses).toEqual([401, 401, 401, 401, 401]);

    const denied = await guess('127.0.0.7', account.toUpperCase(), 'opensesame');
    expect(denied.status).toBe(429);
    expect(Number(denied.headers['retry-after'])).toBeGreaterThan(1700);
    expect((await guess('127.0.0.7', `other-${account}`, 'opensesame')).status).toBe(200);
  });

  it('a policy by user asks for a login, and counts each user by themselves', async () => {
    const message = { body: { text: 'Hello' } };
    const stranger = await ask('POST', '/chat/messages', message);
    expect(stranger).toMatchObject({ status: 401, body: { message: expect.stringContaining('/auth/login') } });
    const forged = { authorization: `Bearer ${Buffer.from('ada').toString('base64url')}.${'a'.repeat(43)}` };
    expect((await ask('POST', '/chat/messages', { ...message, headers: forged })).status).toBe(401);

    const [ada, bob] = [await logIn(), await logIn()];
    await ask('POST', '/chat/messages', { ...message, headers: ada.headers });
    const second = await ask<ChatMessage>('POST', '/chat/messages', { ...message, headers: ada.headers });
    expect(second).toMatchObject({ status: 201, body: { from: ada.account, text: 'Hello', left: 18 } });
    const first = await ask<ChatMessage>('POST', '/chat/messages', { ...message, headers: bob.headers });
    expect(first.body.left).toBe(19);
  });

  it('a request is decided by all policies at once, and what one of them denies is charged to none', async () => {
    const limiter = app.get(RateLimiter);
    const { headers } = await logIn();
    const pay = (): Promise<Answer> => ask('POST', '/payments', { headers, body: { eventId: 7, seats: 1 } });
    for (let time = 0; time < 10; time++) await pay();
    const before = left(await ask('GET', '/flags'), 'api')!;
    for (let time = 0; time < 5; time++) expect((await pay()).body).toMatchObject({ 'violated-policies': ['payment'] });
    expect(left(await ask('GET', '/flags'), 'api')).toBeGreaterThanOrEqual(before - 1);

    await limiter.override('api', { limit: 1 }, { subject: HERE });
    try {
      expect((await pay()).body).toMatchObject({ 'violated-policies': ['api', 'payment'] });
    } finally {
      await limiter.override('api', null, { subject: HERE });
    }
  });

  describe('uploads', () => {
    const begin = (headers: Headers): ClientRequest => {
      const sent = send('POST', '/uploads', { headers: { ...headers, 'content-type': 'application/octet-stream' } });
      sent.write('the beginning, ');
      return sent;
    };
    const placesLeft = (account: string, count: number): Promise<true> =>
      eventually(`there are ${count} places`, async () => {
        const { remaining } = await app.get(RateLimiter).peek('uploadsAtOnce', `user:${account}`);
        return remaining === count || undefined;
      }).then(() => true);

    it('are two at the same time, and a third one only once one of them is over', async () => {
      const { account, headers } = await logIn();
      const under = [begin(headers), begin(headers)];
      await placesLeft(account, 0);

      const third = await ask('POST', '/uploads', { headers, body: 'a file' });
      expect(third).toMatchObject({ status: 429, body: { 'violated-policies': ['uploadsAtOnce'] } });
      expect(third.headers['ratelimit-policy']).toContain('"uploadsAtOnce";q=2;qu="concurrent-requests"');
      expect(left(third, 'upload')).toBe(3);

      const answers = under.map((sent) => answerTo(sent));
      under[0]!.end('the end');
      expect(await answers[0]).toMatchObject({ status: 201, body: { bytes: 22 } });
      await placesLeft(account, 1);
      expect(await ask('POST', '/uploads', { headers, body: 'a file' })).toMatchObject({
        status: 201,
        body: { bytes: 6 },
      });
      under[1]!.end();
      expect(await answers[1]).toMatchObject({ status: 201, body: { bytes: 15 } });
    });

    it('free their place when whoever sends them goes away', async () => {
      const { account, headers } = await logIn();
      const under = begin(headers).on('error', () => undefined);
      await placesLeft(account, 1);
      under.destroy();
      await placesLeft(account, 2);
    });

    it('are files of at most ten megabytes', async () => {
      const { headers } = await logIn();
      const large = await ask('POST', '/uploads', { headers, body: 'x'.repeat(15_000_000) });
      expect(large.status).toBe(413);
      const wrong = await ask('POST', '/uploads', { headers, body: { a: 'file' } });
      expect(wrong.status).toBe(415);
    });
  });

  it('whoever asks is told what they have left, which takes nothing', async () => {
    const { account, headers } = await logIn();
    await ask('GET', '/search?text=jazz', { headers });
    await ask('POST', '/chat/messages', { headers, body: { text: 'Hello' } });
    await ask('POST', '/auth/biometric', { headers, body: { fingerprint: `fingerprint of ${account}` } });
    const remaining = ({ body }: Answer<PolicyState[]>): object =>
      Object.fromEntries(body.map(({ name, remaining }) => [name, remaining]));

    for (let time = 0; time < 2; time++) {
      const mine = await ask<PolicyState[]>('GET', '/limits/me', { headers });
      expect(remaining(mine)).toMatchObject({
        search: 29,
        auth: 5,
        chat: 19,
        payment: 10,
        upload: 5,
        uploadsAtOnce: 2,
        biometric: 2,
      });
    }
    const nobody = await ask<PolicyState[]>('GET', '/limits/me');
    expect(Object.keys(remaining(nobody))).toEqual(['api', 'auth', 'search']);
    expect(nobody.body[2]).toMatchObject({ name: 'search', limit: 30, remaining: 29 });
  });

  describe('operators', () => {
    it('are who has the token', async () => {
      expect((await ask('GET', '/limits/api/top')).status).toBe(401);
      expect((await ask('GET', '/limits/api/top', { headers: { 'x-operator-token': 'a guess' } })).status).toBe(401);
      const known = await ask('GET', '/limits/api/top', { headers: OPERATOR });
      expect(known.status).toBe(200);
      expect(left(known, 'api')).toBeUndefined();
    });

    it('are not told from others by guessing on', async () => {
      const from = '127.0.0.9';
      const guess = { headers: { 'x-operator-token': 'a guess' }, from };
      for (let time = 0; time < 20; time++) expect((await ask('GET', '/limits/api/top', guess)).status).toBe(401);
      expect((await ask('GET', '/limits/api/top', { headers: OPERATOR, from })).status).toBe(429);
    });

    it('see who uses a policy most, and free them', async () => {
      const { account, headers } = await logIn();
      const recognise = (): Promise<Answer> =>
        ask('POST', '/auth/biometric', { headers, body: { fingerprint: 'none' } });
      for (let time = 0; time < 5; time++) await recognise();
      expect((await recognise()).status).toBe(429);

      const top = await ask<TopConsumer[]>('GET', '/limits/biometric/top?count=100', { headers: OPERATOR });
      expect(top.body).toContainEqual({ subject: `user:${account}`, taken: 3, denied: 3 });
      const freed = await ask('POST', '/limits/biometric/reset', {
        headers: OPERATOR,
        body: { subject: `user:${account}` },
      });
      expect(freed.status).toBe(204);
      expect((await recognise()).status).toBe(401);
    });

    it('give a policy another limit, for somebody or for everybody, until they take it away', async () => {
      const { account, headers } = await logIn();
      const put = (body: object): Promise<Answer<LimitOverride[]>> =>
        ask('PUT', '/limits/upload/override', { headers: OPERATOR, body });
      const limit = async (): Promise<number | undefined> => {
        const { body } = await ask<PolicyState[]>('GET', '/limits/me', { headers });
        return body.find(({ name }) => name === 'upload')?.limit;
      };
      for (let time = 0; time < 5; time++) await ask('POST', '/uploads', { headers, body: 'a file' });
      expect((await ask('POST', '/uploads', { headers, body: 'a file' })).status).toBe(429);

      const subject = `user:${account}`;
      const raised = await put({ limit: 50, subject, note: 'a large gallery' });
      expect(raised).toMatchObject({
        status: 200,
        body: [{ policy: 'upload', subject, limit: 50, note: 'a large gallery' }],
      });
      expect(await limit()).toBe(50);
      expect((await ask('POST', '/uploads', { headers, body: 'a file' })).status).toBe(201);

      await put({ limit: 2 });
      expect((await put({ limit: null, subject })).body).toMatchObject([{ policy: 'upload', limit: 2 }]);
      expect(await limit()).toBe(2);
      expect((await put({ limit: null })).body).toEqual([]);
      expect(await limit()).toBe(5);
    });

    it.each([
      ['GET', '/limits/none/top', undefined, ['policy']],
      ['GET', '/limits/api/top?count=none', undefined, ['count']],
      ['POST', '/limits/api/reset', {}, ['subject']],
      ['PUT', '/limits/api/override', {}, ['limit']],
      ['PUT', '/limits/api/override', { limit: 0 }, ['limit']],
      ['PUT', '/limits/biometric/override', { limit: 129 }, ['limit']],
    ])('who send %s %s %p get a 400 that names the field', async (method, path, body, fields) => {
      expect(await ask(method, path, { headers: OPERATOR, ...(body && { body }) })).toMatchObject({
        status: 400,
        body: { fields },
      });
    });
  });

  it.each([
    ['/auth/login', { account: 'ada', password: ['x'] }, ['account', 'password']],
    ['/auth/login', { account: { $ne: '' } }, ['account', 'password']],
    ['/payments', { eventId: 'x', seats: 21 }, ['eventId', 'seats']],
    ['/chat/messages', { text: ' ' }, ['text']],
  ])('POST %s %p gets a 400 that names the fields', async (path, body, fields) => {
    const { headers } = await logIn();
    expect(await ask('POST', path, { headers, body })).toMatchObject({ status: 400, body: { fields } });
  });
});

describe('The ticket shop without a token of operators', () => {
  beforeAll(() => open({ env: {} }), 60_000);
  afterAll(() => app?.close());

  it('has nothing for operators', async () => {
    expect((await ask('GET', '/limits/api/top', { headers: { 'x-operator-token': '' } })).status).toBe(404);
  });
});

describe('The limits of the ticket shop whose Redis is away', () => {
  beforeAll(() => open({ env: { REDIS_URL: 'redis://127.0.0.1:1', OPERATOR_TOKEN } }), 60_000);
  afterAll(() => app?.close());

  it('are those of the process, and nobody is recognised', async () => {
    const { account, headers } = await logIn();
    for (let time = 0; time < 30; time++) expect((await ask('GET', '/search?text=jazz')).status).toBe(200);
    expect((await ask('GET', '/search?text=jazz')).status).toBe(429);
    const body = { fingerprint: `fingerprint of ${account}` };
    expect((await ask('POST', '/auth/biometric', { headers, body })).status).toBe(429);
  });

  it('cannot be changed: operators get a 503', async () => {
    const changed = await ask('PUT', '/limits/api/override', { headers: OPERATOR, body: { limit: 5 } });
    expect(changed.status).toBe(503);
  });
});
