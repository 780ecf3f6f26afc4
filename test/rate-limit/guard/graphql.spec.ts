import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { UnauthorizedException, UseGuards, type CanActivate, type ExecutionContext } from '@nestjs/common';
import {
  Args,
  Field,
  GqlExecutionContext,
  GraphQLModule,
  Int,
  Mutation,
  ObjectType,
  Query,
  ResolveField,
  Resolver,
  Subscription,
} from '@nestjs/graphql';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { type RateLimitDecision, RateLimit, RateLimitInfo, concurrency, fixedWindow } from '@nuthatch/rate-limit';
import { sharedServers } from '../../redis/open-connection.js';
import { closeApps, limitsOf, PLATFORMS, startApp, until, type GuardedAppOptions } from './guarded-app.js';

const policies = {
  two: fixedWindow({ limit: 2, per: '1m' }),
  wide: fixedWindow({ limit: 100, per: '1m' }),
  user: fixedWindow({ limit: 2, per: '1m', by: 'user' }),
  failures: fixedWindow({ limit: 50, per: '1m', when: 'failures', by: ({ data }) => (data as { name: string }).name }),
  places: concurrency({ max: 1, by: 'endpoint' }),
};

class NameGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const graphql = GqlExecutionContext.create(context).getContext<{
      req: { headers: Record<string, string> };
      user?: unknown;
    }>();
    const { authorization } = graphql.req.headers;
    if (authorization === 'wrong') throw new UnauthorizedException();
    if (authorization) graphql.user = { id: authorization };
    return true;
  }
}

@ObjectType()
class Book {
  @Field(() => String) title = 'Emma';
  @Field(() => Int) pages = 0;
}

const events: { emit?: (value: { tick: number } | undefined) => void } = {};
async function* ticks(): AsyncGenerator<{ tick: number }> {
  for (;;) {
    const next = await new Promise<{ tick: number } | undefined>((resolve) => (events.emit = resolve));
    if (!next) return;
    yield next;
  }
}

@Resolver(() => Book)
class Books {
  @Query(() => [String])
  @RateLimit('two')
  titles(@RateLimitInfo() info: RateLimitDecision | undefined) {
    return [`remaining ${info?.remaining}`];
  }
  @Query(() => Book) book() {
    return new Book();
  }
  @ResolveField(() => Int) pages() {
    return 7;
  }
  @Mutation(() => String)
  @UseGuards(NameGuard)
  @RateLimit('user')
  rename() {
    return 'renamed';
  }
  @Mutation(() => String)
  @UseGuards(NameGuard)
  @RateLimit('failures')
  fail(@Args('name', { type: () => String }) name: string) {
    if (name === 'bad') throw new Error('broken');
    return name;
  }
  @Subscription(() => Int, { resolve: ({ tick }: { tick: number }) => tick })
  @RateLimit('places')
  tick() {
    return ticks();
  }
}

afterEach(closeApps);

describe.each(PLATFORMS)('RateLimitGuard in GraphQL on %s', (platform) => {
  const start = async (options: GuardedAppOptions = {}) => {
    const started = await startApp(platform, {
      policies,
      connection: sharedServers().standalone,
      providers: [Books],
      imports: [
        GraphQLModule.forRoot<ApolloDriverConfig>({
          driver: ApolloDriver,
          autoSchemaFile: true,
          graphiql: false,
          // Express knows the response by the request, and of Fastify it has to be said.
          ...(platform === 'fastify' && { context: (req: unknown, reply: unknown) => ({ req, reply }) }),
          subscriptions: { 'graphql-ws': true },
          fieldResolverEnhancers: ['guards', 'interceptors'],
        }),
      ],
      ...options,
    });
    const ask = async (query: string, headers: Record<string, string> = {}) => {
      const response = await fetch(`${started.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ query }),
      });
      return { response, body: (await response.json()) as { data: unknown; errors?: { extensions: object }[] } };
    };
    return { ...started, ask };
  };

  it('limits queries, and shows why in the extensions of the error', async () => {
    const { ask, gate } = await start();

    const { body, response } = await ask('{ titles }');
    expect(body).toEqual({ data: { titles: ['remaining 1'] } });
    expect(limitsOf(response)).toBe('"two";r=1;t=60');
    await ask('{ titles }');
    const denied = await ask('{ titles }');

    expect(denied.body.data).toBeNull();
    expect(denied.body.errors).toEqual([
      expect.objectContaining({
        message: 'The limit "two" is reached. Try again in 13 seconds.',
        path: ['titles'],
        extensions: expect.objectContaining({
          code: 'RATE_LIMIT_EXCEEDED',
          retryAfterMs: 12_500,
          'violated-policies': ['two'],
        }),
      }),
    ]);
    expect(denied.response.headers.get('content-type')).toMatch(/^application\/(graphql-response\+)?json/);
    expect(denied.response.headers.get('retry-after')).toBe('13');
    expect(gate.asked[0]).toEqual(['two@ip:127.0.0.1']);
  });

  it('counts each field of a query, so that aliases are no way around a limit', async () => {
    const { ask } = await start();

    const { body } = await ask('{ a: book { title } b: book { title } }');
    expect(body.errors).toBeUndefined();
    const aliased = await ask('{ a: titles b: titles c: titles }');

    expect(aliased.body.errors).toHaveLength(1);
  });

  it('counts defaults for what is asked, and not for the fields of it', async () => {
    const { ask, gate } = await start({ defaults: ['wide'] });

    expect((await ask('{ book { title pages } titles }')).body.errors).toBeUndefined();

    expect(gate.asked.toSorted()).toEqual([['wide@ip:127.0.0.1'], ['wide@ip:127.0.0.1', 'two@ip:127.0.0.1']]);
  });

  it('waits for the user of a mutation, and refuses when there is none', async () => {
    const { ask, gate } = await start({ defaults: ['wide'] });

    expect((await ask('mutation { rename }', { authorization: 'ann' })).body).toEqual({ data: { rename: 'renamed' } });
    const { body } = await ask('mutation { rename }');

    expect(body.errors?.[0]?.extensions).toMatchObject({ code: 'RATE_LIMIT_CALL', status: 401 });
    expect(gate.asked).toEqual([['wide@ip:127.0.0.1'], ['user@user:ann'], ['wide@ip:127.0.0.1']]);
  });

  it('tells how a call went, and leaves no call open that a later guard denies', async () => {
    const { ask, gate } = await start();

    await ask('mutation { fail(name: "good") }');
    await ask('mutation { fail(name: "bad") }');
    await ask('mutation { fail(name: "unknown") }', { authorization: 'wrong' });

    expect(gate.asked).toEqual([['failures@good'], ['failures@bad']]);
    expect(gate.finished).toEqual(['failures@good: success', 'failures@bad: failure']);
  });

  it('limits subscriptions, and keeps their places until their events end', async () => {
    const { url, gate } = await start();
    const client = createClient({
      url: `${url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryAttempts: 0,
    });
    const first = client.iterate<{ tick: number }>({ query: 'subscription { tick }' });
    const event = first.next();
    await until(() => expect(gate.asked).toHaveLength(1));

    const denied = await client.iterate({ query: 'subscription { tick }' }).next();
    expect((denied.value as { errors: object[] }).errors).toEqual([
      expect.objectContaining({ extensions: expect.objectContaining({ code: 'RATE_LIMIT_EXCEEDED' }) }),
    ]);
    events.emit?.({ tick: 5 });
    expect((await event).value).toEqual({ data: { tick: 5 } });
    expect(gate.finished).toEqual([]);
    const last = first.next();
    await until(() => {
      events.emit?.(undefined);
      expect(gate.finished).toHaveLength(1);
    });
    expect((await last).done).toBe(true);
    const second = client.iterate({ query: 'subscription { tick }' });
    const pending = second.next();
    await until(() => expect(gate.asked).toHaveLength(3));
    await second.return?.();
    await pending;
    await client.dispose();

    await until(() =>
      expect(gate.finished).toEqual([
        'places@endpoint:RootTestModule/Books.tick: success',
        'places@endpoint:RootTestModule/Books.tick: success',
      ]),
    );
  });
});
