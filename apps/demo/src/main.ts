import 'reflect-metadata';
import { createDemoApp } from './create-demo-app.js';

try {
  const port = readPort(process.env.PORT);
  const app = await createDemoApp({ adapter: process.env.HTTP_ADAPTER === 'fastify' ? 'fastify' : 'express' });
  await app.listen(port);
  console.log(whatToTry(`http://localhost:${port}`));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

function readPort(text = '3000'): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new Error(`PORT is "${text}". Give a port from 1 to 65535, or leave it out for 3000.`);
}

function whatToTry(shop: string): string {
  return `
  The ticket shop is open at ${shop}. Try, and watch this log say hit or miss:

    curl -i '${shop}/events?near=Lisbon&radius=50km'      once slow, then fast
    curl -i '${shop}/events/42'
    curl -i -X PATCH ${shop}/events/42 -H 'content-type: application/json' -d '{"price": 12.5}'
    curl -i '${shop}/events?near=Lisbon&radius=far'       a 400 that names the field
    curl -i '${shop}/health'

  And limits, which every response tells of (RateLimit-Policy, RateLimit), until there is a 429:

    for i in {1..6}; do curl -i -X POST ${shop}/auth/login -H 'content-type: application/json' \\
      -d '{"account": "ada@example.com", "password": "a guess"}'; done
    curl -i '${shop}/limits/me'                           what is left for you
`;
}
