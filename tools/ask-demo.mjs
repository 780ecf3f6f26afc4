// Starts the demo as a newcomer would, `npm start`, and asks it one real question several times:
// all answers but the first are cached, and at least 20 times as fast (their median).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const FIRST_ANSWER_MS = 60_000;
const QUESTION = '/events?near=Lisbon&radius=50km';

const port = await freePort();
const startedAt = performance.now();
const demo = spawn('npm', ['start'], {
  cwd: path.resolve(import.meta.dirname, '..'),
  env: { ...process.env, PORT: String(port), REDIS_URL: '' },
  stdio: ['ignore', 'pipe', 'inherit'],
  detached: true,
});
demo.stdout.pipe(process.stdout);

try {
  const first = await firstAnswer();
  const repeats = [];
  for (let time = 0; time < 5; time++) repeats.push(await ask());
  const second = repeats.sort((a, b) => a.tookMs - b.tookMs)[2];
  console.log(
    `first answer after ${Math.round(performance.now() - startedAt)} ms: ${first.cache}, ${first.tookMs.toFixed(1)} ms`,
  );
  console.log(`repeated: ${second.cache}, ${second.tookMs.toFixed(1)} ms`);
  const speedUp = first.tookMs / second.tookMs;
  if (first.cache !== 'miss' || repeats.some(({ cache }) => cache !== 'hit'))
    throw new Error('expected a miss, then hits');
  if (repeats.some(({ body }) => body !== first.body) || JSON.parse(first.body).length === 0)
    throw new Error('expected the same events each time');
  if (speedUp < 20) throw new Error(`the repeated answer was only ${speedUp.toFixed(1)} times as fast`);
} finally {
  // The whole group: npm does not pass signals on to what it has started.
  if (demo.exitCode === null) {
    process.kill(-demo.pid, 'SIGTERM');
    await once(demo, 'exit');
  }
}

async function firstAnswer() {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() - startedAt > FIRST_ANSWER_MS) throw error;
      if (demo.exitCode !== null) throw new Error(`the demo ended with ${demo.exitCode}`, { cause: error });
      await sleep(200);
    }
  }
}

async function ask() {
  const askedAt = performance.now();
  const answer = await fetch(`http://127.0.0.1:${port}${QUESTION}`);
  const body = await answer.text();
  if (answer.status !== 200) throw new Error(`the demo answered ${answer.status}: ${body}`);
  return { body, cache: answer.headers.get('x-cache'), tookMs: performance.now() - askedAt };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: free } = server.address();
  server.close();
  return free;
}
