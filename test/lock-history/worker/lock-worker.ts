// A process that contends for locks, writes down all that it sees, and suffers what it is told to; see LockProcess.
import 'reflect-metadata';
import path from 'node:path';
import { NestFactory } from '@nestjs/core';
import { LockModule, LockService } from '@nuthatch/lock';
import { RedisConnections, RedisModule } from '@nuthatch/redis';
import { parseDuration, type ServerConnection } from '@nuthatch/redis/internal';
import { RedisLockDriver } from '../../../libs/lock/src/drivers/redis.driver.js';
import { machineTime } from '../history/events.js';
import { Recorder } from '../history/recorder.js';
import { SeededRandom } from '../seeded-random.js';
import { Contender } from './contender.js';
import { runCycles } from './cycles.js';
import { FencedResource } from './fenced-resource.js';
import { holdAndLook } from './hold-and-look.js';
import { Ordeal } from './ordeal.js';
import { breakCore, breakStore } from './sabotage.js';
import { SharedFile } from './shared-file.js';
import { witness } from './witness.js';
import type { Order, WorkerSetup, Word } from './worker-messages.js';

const COUNT_EVERY_MS = 250;
const LOOK_EVERY_MS = 5;
const STALL_MS = 15;

const setup = JSON.parse(process.argv[2]!) as WorkerSetup;
const { name, folder, seed, keys, sabotage } = setup;
const say = (word: Word): void => void (process.connected && process.send!(word));
const recorder = new Recorder(path.join(folder, `${name}.jsonl`));
const trouble = (kind: string) => (reason: unknown) =>
  recorder.note({ what: 'trouble', message: `${kind}: ${reason instanceof Error ? reason.stack : String(reason)}` });
process.on('unhandledRejection', trouble('unhandled rejection'));
process.on('uncaughtException', trouble('uncaught exception'));
process.on('warning', trouble('warning'));
const orphaned = (): never => process.exit();
process.on('disconnect', orphaned);
recorder.note({ what: 'started', pid: process.pid });

const random = new SeededRandom(seed);
const ordeal = new Ordeal(recorder, ({ fault, when }) => say({ word: 'suffers', fault, when }));
const driver = RedisLockDriver.prototype;
breakStore(driver, sabotage, random);
// A hundred thousand cycles are counted, not told.
if (setup.tasks > 0 || keys.length > 0) witness(driver, recorder, ordeal);
breakCore(driver, sabotage);

class Worker {}
const imports = [RedisModule.forRoot({ connections: { default: setup.connection } }), LockModule.forRoot(setup.lock)];
const app = await NestFactory.createApplicationContext({ module: Worker, imports }, { logger: false });
const locks = app.get(LockService);
const connection = app.get(RedisConnections).get() as ServerConnection;
const resource = new FencedResource(setup.resourceUrl);
await resource.connect();
const files = new Map(keys.map((key) => [key, new SharedFile(folder, key)]));
const ttlMs = parseDuration(setup.lock.ttl ?? '30s', 'ttl');
const around = { name, keys, ttlMs, fair: sabotage !== 'unfair', locks, recorder, ordeal, files, resource };
const contenders = Array.from(
  { length: setup.tasks },
  (_, task) => new Contender(around, keys[task % keys.length]!, new SeededRandom(seed + task)),
);
let contending: Promise<unknown> = Promise.resolve();

let lookedAt = machineTime();
const looks = setInterval(() => {
  const now = machineTime();
  if (now - lookedAt > STALL_MS) recorder.note({ what: 'stalled', from: lookedAt }, now);
  lookedAt = now;
}, LOOK_EVERY_MS);

const counts = setInterval(() => say({ word: 'grants', grants: Contender.grants }), COUNT_EVERY_MS);

process.on('message', (order: Order) => {
  switch (order.order) {
    case 'contend':
      contending = Promise.all(contenders.map((contender) => contender.contend()));
      return;
    case 'suffer':
      return ordeal.suffer(order);
    case 'force':
      return void force(order.key);
    case 'hold':
      return void holdAndLook(locks, recorder, order.key, order.forMs, ttlMs).then((result) =>
        say({ word: 'done', result }),
      );
    case 'cycle':
      return void runCycles(locks, order.cycles, order.atATime).then((result) => say({ word: 'done', result }));
    case 'finish':
      return void finish();
  }
});
if (connection.state !== 'ready') await new Promise<void>((resolve) => void connection.on('up', resolve));
say({ word: 'ready' });

async function force(key: string): Promise<void> {
  const sentAt = machineTime();
  // Whether it was done is not known then.
  const holds = await locks.admin.forceRelease(key).catch(() => 1);
  recorder.note({ what: 'forced', key, holds, sentAt });
}

async function finish(): Promise<void> {
  for (const contender of contenders) contender.finish();
  await contending;
  clearInterval(looks);
  clearInterval(counts);
  await app.close();
  resource.close();
  for (const file of files.values()) file.close();
  recorder.note({ what: 'finished' });
  // From here on nothing may keep this process alive.
  process.off('disconnect', orphaned);
  process.disconnect();
}
