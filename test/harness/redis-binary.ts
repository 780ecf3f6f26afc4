import { spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';

/** What the machine offers for an installation. */
export interface InstallMeans {
  readonly apt: boolean;
  readonly brew: boolean;
  readonly root: boolean;
  readonly passwordlessSudo: boolean;
}

/** Commands that the set-up may run by itself, or the one that only a person can run. */
export type InstallPlan =
  { readonly kind: 'run'; readonly commands: readonly string[] } | { readonly kind: 'ask'; readonly command: string };

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The path of `REDIS_SERVER_BIN`, or of the first `redis-server` or `valkey-server` on PATH; `undefined` if there is none.
 *
 * @throws if `REDIS_SERVER_BIN` is set and does not name an executable.
 */
export function findRedisBinary(environment: Environment = process.env): string | undefined {
  const chosen = environment['REDIS_SERVER_BIN'];
  if (chosen !== undefined && chosen !== '') {
    if (isExecutable(chosen)) return chosen;
    throw new Error(`REDIS_SERVER_BIN is "${chosen}", which is not an executable file. Correct it, or unset it.`);
  }
  return findOnPath('redis-server', environment) ?? findOnPath('valkey-server', environment);
}

/** The server binary to start. @throws if there is none. */
export function requireRedisBinary(): string {
  const binary = findRedisBinary();
  if (binary !== undefined) return binary;
  throw new Error(`No redis-server or valkey-server on PATH. Install one: ${byHand(planInstall(installMeans()))}`);
}

/** Installs Redis if no server binary is found. @throws with the command to type if that takes a password or fails. */
export function ensureRedisBinary(): string {
  const found = findRedisBinary();
  if (found !== undefined) return found;
  const plan = planInstall(installMeans());
  if (plan.kind === 'run') {
    for (const command of plan.commands) {
      const { status } = spawnSync('sh', ['-c', command], { stdio: 'inherit' });
      if (status === 0) continue;
      throw new Error(
        `Redis was not installed: "${command}" ended with ${status}. Run it by hand, then the tests again.`,
      );
    }
  }
  return requireRedisBinary();
}

/** How Redis gets onto a machine with these means. */
export function planInstall(means: InstallMeans): InstallPlan {
  if (means.apt) {
    const sudo = means.root ? '' : 'sudo ';
    const commands = [
      `${sudo}apt-get update`,
      `${sudo}env DEBIAN_FRONTEND=noninteractive apt-get install -y redis-server`,
    ];
    if (means.root || means.passwordlessSudo) return { kind: 'run', commands };
    return { kind: 'ask', command: 'sudo apt-get update && sudo apt-get install -y redis-server' };
  }
  if (means.brew) return { kind: 'run', commands: ['brew install redis'] };
  return { kind: 'ask', command: 'REDIS_SERVER_BIN=/path/to/redis-server npm test' };
}

function installMeans(): InstallMeans {
  return {
    apt: findOnPath('apt-get', process.env) !== undefined,
    brew: findOnPath('brew', process.env) !== undefined,
    root: process.getuid?.() === 0,
    passwordlessSudo: spawnSync('sudo', ['-n', 'true']).status === 0,
  };
}

function byHand(plan: InstallPlan): string {
  return plan.kind === 'ask' ? plan.command : plan.commands.join(' && ');
}

function findOnPath(name: string, environment: Environment): string | undefined {
  const folders = (environment['PATH'] ?? '').split(path.delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => path.join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
