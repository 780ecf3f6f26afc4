import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { RedisConnections, RedisModule } from '@nuthatch/redis';
import { RedisScript } from '@nuthatch/redis/internal';
import { clientOperations, counterAt, SCRIPT } from './redis-operations.mjs';

export async function open({ url }) {
  const module = RedisModule.forRoot({ connections: { default: { mode: 'standalone', url } } });
  const app = await NestFactory.createApplicationContext(module, { logger: ['warn', 'error'] });
  const connection = app.get(RedisConnections).get();
  const increment = new RedisScript('increment', SCRIPT, 1);
  return {
    operations: {
      ...(await clientOperations(connection.client)),
      script: (index) => connection.run(increment, [counterAt(index)], [1]),
    },
    close: () => app.close(),
  };
}
