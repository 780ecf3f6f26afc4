import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { transformSync } from '@swc/core';
import { expect, it } from '@jest/globals';
import { eventually } from './eventually.js';

const owner = `
import { spawn } from 'node:child_process';
import { Reaper } from './reaper.mjs';
const server = spawn('sleep', ['600'], { stdio: 'ignore', detached: true });
new Reaper(process.argv[2]).watch(server.pid);
console.log(server.pid);
setInterval(() => undefined, 1000);
`;

it.each(['SIGINT', 'SIGKILL'] as const)(
  'A server and its folder are gone after its Jest process got %s',
  async (signal) => {
    const directory = mkdtempSync(path.join(tmpdir(), 'nuthatch-reaper-'));
    const folder = path.join(directory, 'server');
    mkdirSync(folder);
    const source = readFileSync(path.join(import.meta.dirname, 'reaper.ts'), 'utf8');
    const { code } = transformSync(source, { jsc: { target: 'es2022', parser: { syntax: 'typescript' } } });
    writeFileSync(path.join(directory, 'reaper.mjs'), code);
    writeFileSync(path.join(directory, 'owner.mjs'), owner);
    const child = spawn(process.execPath, [path.join(directory, 'owner.mjs'), folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [printed] = (await once(child.stdout, 'data')) as [Buffer];
    const pid = Number(printed.toString());
    expect(process.kill(pid, 0)).toBe(true);
    child.kill(signal);
    await eventually('the server is gone', async () => !isAlive(pid) && !existsSync(folder), 5_000);
    rmSync(directory, { recursive: true });
  },
);

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
