// An application that holds a lock, is in a section and waits for another lock, for specs of how it ends.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { LockModule, LockService } from '@nuthatch/lock';
import { RedisModule, type RedisConnectionOptions } from '@nuthatch/redis';

class LockApp {}

const { connection, sectionMs, prefix } = JSON.parse(process.argv[2]!) as {
  connection: RedisConnectionOptions;
  sectionMs: number;
  prefix: string;
};
const imports = [RedisModule.forRoot({ connections: { default: connection } }), LockModule.forRoot()];
const app = await NestFactory.createApplicationContext({ module: LockApp, imports }, { logger: false });
app.enableShutdownHooks();
const locks = app.get(LockService);
const held = await locks.acquire(`${prefix}:held`);
held.signal.addEventListener('abort', () => console.log('aborted', held.signal.reason.code));
const section = locks.withLock(`${prefix}:section`, () => new Promise((resolve) => setTimeout(resolve, sectionMs)));
section.then(
  () => console.log('section over'),
  (error: { code: string }) => console.log('section', error.code),
);
locks.acquire(`${prefix}:wanted`, { wait: '60s' }).catch((error: { code: string }) => console.log('wait', error.code));
process.on('message', (word) => {
  process.disconnect();
  if (word === 'close') void app.close().then(() => console.log('closed'));
});
process.send!('running');
