// An application as a user would write it; the shutdown specs start it as a process of its own, on the built packages.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { RedisConnections, RedisModule } from '@nuthatch/redis';

const { connection, failsToBoot, usesLinks } = JSON.parse(process.argv[2]);

class Worker {
  constructor(connections) {
    this.redis = connections.get();
  }

  onModuleInit() {
    if (failsToBoot) throw new Error('another module could not start');
  }

  async beforeApplicationShutdown() {
    // Work that is under way when SIGTERM comes.
    const started = this.redis.client.incr('shutdown:drained').then(
      () => console.log('drained'),
      (error) => console.log(error.code),
    );
    void started;
  }
}

class AppModule {}
Module({
  imports: [RedisModule.forRoot({ connections: { default: connection } })],
  providers: [{ provide: Worker, inject: [RedisConnections], useFactory: (connections) => new Worker(connections) }],
})(AppModule);

try {
  const app = await NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false });
  app.enableShutdownHooks();
  const redis = app.get(RedisConnections).get();
  await redis.client.get('key').catch(() => 'an outage is what some of the specs are about');
  if (usesLinks) {
    await redis.subscriber.subscribe('channel', () => undefined);
    redis.track(['app:']);
    redis.callBlocking('blpop', ['queue', 60], 60_000).catch((error) => console.log(error.code));
  }
  console.log('running');
} catch (error) {
  console.log(`boot failed: ${error.message}`);
}
