import { Redis } from 'ioredis';
import { clientOperations } from './redis-operations.mjs';

export async function open({ url, redisOptions = {} }) {
  const client = new Redis(url, redisOptions);
  return { operations: await clientOperations(client), close: () => client.quit() };
}
