import { spawnSync } from 'node:child_process';
import os from 'node:os';

/** Whether processes can be tied to cores here. */
export const canPin = spawnSync('taskset', ['--version'], { stdio: 'ignore' }).status === 0;

/** Where the processes under measurement work. */
export const CLIENT_CORE = 0;

/** The core for Redis: that of the client, or another one where there is one. */
export function serverCore(cores) {
  return cores === 'two' ? Math.min(1, os.availableParallelism() - 1) : CLIENT_CORE;
}

/** Moves all threads of a running process. */
export function pin(pid, core) {
  if (canPin) spawnSync('taskset', ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)]);
}

/** Lets all threads of a running process go where they like. */
export function unpin(pid) {
  const all = `0-${os.cpus().length - 1}`;
  if (canPin) spawnSync('taskset', ['--all-tasks', '--cpu-list', '--pid', all, String(pid)]);
}

/** How to start Node so that all of its threads, the garbage collector's too, are on the core from the beginning. */
export function pinnedNode(core) {
  if (!canPin) return { execPath: process.execPath, execArgv: [] };
  return { execPath: 'taskset', execArgv: ['--cpu-list', String(core), process.execPath] };
}
