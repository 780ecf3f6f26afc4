import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, startStandalone, type RedisServer } from '../harness/index.js';
import { CacheProcess, closeProcesses, startProcesses } from './faults/cache-process.js';
import { CommandLog } from './faults/command-log.js';

// Where this machine has more to do than it can, a call would take Redis for dead, and go on without.
const PATIENT = { redisTimeout: '2s' } as const;
const LEASE_MS = 5_000;

describe('four processes', () => {
  let server: RedisServer;
  let log: CommandLog;
  let processes: CacheProcess[];

  beforeAll(async () => {
    server = await startStandalone();
    log = await CommandLog.open(server);
    processes = await startProcesses(4, { mode: 'standalone', url: server.url }, PATIENT);
    await processes[0]!.cache.set('warm', 'up');
    await Promise.all(processes.map((one) => one.cache.warm('warm')));
    // A server that has been up for a while knows the scripts.
    await processes[0]!.cache.getOrSet('scripts', { value: 'loaded' });
  });
  afterAll(async () => {
    log.close();
    await closeProcesses();
    await server.stop();
  });

  const runs = async (): Promise<number> =>
    (await Promise.all(processes.map((one) => one.cache.runs()))).reduce((sum, count) => sum + count, 0);
  const coalesced = async (one: CacheProcess): Promise<number> => (await one.cache.stats()).coalesced;
  /** Resolves once so many more callers share a load. */
  const untilShared = async (callers: number, before: number): Promise<void> => {
    await eventually('all other callers wait', async () => {
      const counts = await Promise.all(processes.map(coalesced));
      return counts.reduce((sum, count) => sum + count, 0) - before >= callers;
    });
  };
  const shared = async (): Promise<number> =>
    (await Promise.all(processes.map(coalesced))).reduce((sum, count) => sum + count, 0);

  it('with 200 callers each load a cold key once, and are told of the value without having to ask for it', async () => {
    await log.take(server);
    const [ranBefore, sharedBefore] = [await runs(), await shared()];
    const bursts = processes.map((one) => one.burst(200, 'cold'));
    await untilShared(799, sharedBefore);
    // The report of the placeholder itself may have them look once more.
    await sleep(100);
    const asked = await log.take(server);
    await sleep(300);
    const meanwhile = await log.take(server);

    const finishedAt = performance.now();
    bursts.forEach((burst) => burst.finish('value'));
    const outcomes = await Promise.all(bursts.map(({ result }) => result));
    const tookMs = performance.now() - finishedAt;

    expect(outcomes).toEqual(processes.map(() => ({ values: new Map([['value', 200]]), errors: [] })));
    expect((await runs()) - ranBefore).toBe(1);
    expect(meanwhile).toEqual([]);
    expect(asked.length + (await log.take(server)).length).toBeLessThan(20);
    expect(tookMs).toBeLessThan(500);
  });

  it('share a load also of an entry that has just been invalidated by its tag', async () => {
    const [one] = processes as [CacheProcess];
    await one.cache.set('tagged', 'old', { tags: ['stampede'] });
    await Promise.all(processes.map((each) => each.cache.warm('tagged')));
    await one.cache.invalidateTags('stampede');
    const [ranBefore, sharedBefore] = [await runs(), await shared()];
    await eventually('all have heard of it', async () => {
      return (await Promise.all(processes.map((each) => each.cache.peek('tagged')))).every(
        (value) => value === undefined,
      );
    });

    const bursts = processes.map((each) => each.burst(200, 'tagged', { tags: ['stampede'] }));
    await untilShared(799, sharedBefore);
    bursts.forEach((burst) => burst.finish('new'));

    const outcomes = await Promise.all(bursts.map(({ result }) => result));
    expect(outcomes).toEqual(processes.map(() => ({ values: new Map([['new', 200]]), errors: [] })));
    expect((await runs()) - ranBefore).toBe(1);
  });

  it('hand a key on at once when the loader fails, and only its own callers are told', async () => {
    const [owner, other] = processes as [CacheProcess, CacheProcess];
    const first = owner.burst(20, 'failing');
    await first.begun;
    const before = await coalesced(other);
    const second = other.burst(20, 'failing');
    await eventually('the others wait', async () => (await coalesced(other)) - before >= 20);

    const failedAt = performance.now();
    first.fail('no database');
    await second.begun;
    expect(performance.now() - failedAt).toBeLessThan(1_000);
    second.finish('value');

    expect(await first.result).toEqual({
      values: new Map(),
      errors: Array.from({ length: 20 }, () => 'Error: no database'),
    });
    expect(await second.result).toEqual({ values: new Map([['value', 20]]), errors: [] });
  });

  it('hand a key on at once when the loader finds nothing', async () => {
    const [owner, other] = processes as [CacheProcess, CacheProcess];
    const first = owner.load('nothing');
    await first.begun;
    const before = await coalesced(other);
    const second = other.load('nothing');
    await eventually('the other waits', async () => (await coalesced(other)) > before);

    const startedAt = performance.now();
    first.finish(undefined);
    await second.begun;
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    second.finish('found');

    expect([await first.result, await second.result]).toEqual([undefined, 'found']);
  });

  it('take the key of an owner within its lease when that is killed, or stands still and comes back too late', async () => {
    const [one, two, sleeper] = processes as [CacheProcess, CacheProcess, CacheProcess];
    const victim = await CacheProcess.start({ mode: 'standalone', url: server.url }, PATIENT);
    const lost = victim.load('killed');
    const late = sleeper.load('stopped');
    await Promise.all([lost.begun, late.begun]);
    const keys = ['killed', 'stopped'];
    const before = await Promise.all([coalesced(one), coalesced(two)]);
    const bursts = [one, two].map((each) => keys.map((key) => each.burst(50, key)));
    await eventually('all wait', async () => {
      const now = await Promise.all([coalesced(one), coalesced(two)]);
      return now.every((count, index) => count - before[index]! >= 100);
    });

    const goneAt = performance.now();
    sleeper.pause();
    await victim.kill();
    await Promise.all(keys.map((_, index) => Promise.race(bursts.map((each) => each[index]!.begun))));
    const takenAfterMs = performance.now() - goneAt;
    bursts.flat().forEach((burst) => burst.finish('new'));
    const outcomes = await Promise.all(bursts.flat().map(({ result }) => result));

    expect(outcomes).toEqual(Array.from({ length: 4 }, () => ({ values: new Map([['new', 50]]), errors: [] })));
    expect(takenAfterMs).toBeLessThan(LEASE_MS + 1_000);
    sleeper.resume();
    late.finish('late');
    // Who came before is served what was loaded for them.
    expect(await late.result).toBe('late');
    expect(await sleeper.cache.getOrSet('stopped', { value: 'again' })).toBe('new');
    expect(await Promise.all(processes.map((each) => each.cache.get('stopped')))).toEqual(['new', 'new', 'new', 'new']);
    expect(await server.call('GET', 'app:cache:default:stopped')).toMatch(/\n"new"$/);
  });

  it('do not wait for a process that has closed during its load', async () => {
    const [one] = processes as [CacheProcess];
    const leaving = await CacheProcess.start({ mode: 'standalone', url: server.url }, PATIENT);
    const load = leaving.load('left');
    await load.begun;
    const before = await coalesced(one);
    const next = one.load('left');
    await eventually('the other waits', async () => (await coalesced(one)) > before);

    const closing = leaving.close();
    await sleep(100);
    load.finish('from the one that leaves');

    expect(await next.result).toBe('from the one that leaves');
    await closing;
  });

  it('may close while they wait for another: their callers get what they load themselves, and they end', async () => {
    const [owner] = processes as [CacheProcess];
    const load = owner.load('kept waiting');
    await load.begun;
    const leaving = await CacheProcess.start({ mode: 'standalone', url: server.url }, PATIENT);
    const waiting = leaving.cache.getOrSet('kept waiting', { value: 'its own' });
    await eventually('it waits', async () => (await coalesced(leaving)) === 1);

    await leaving.close();

    expect(await waiting).toBe('its own');
    load.finish('value');
    expect(await load.result).toBe('value');
  });
});
