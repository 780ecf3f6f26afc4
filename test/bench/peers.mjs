import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

/** Other libraries, and the packages that each needs. */
const PEERS = {
  bentocache: ['bentocache', 'bentocache/drivers/redis', 'ioredis'],
  cacheable: ['cacheable', '@keyv/redis'],
  'cache-manager': ['cache-manager', 'cacheable', '@keyv/redis'],
  'rate-limiter-flexible': ['rate-limiter-flexible', 'ioredis'],
  '@nest-lab/throttler-storage-redis': ['@nest-lab/throttler-storage-redis', 'ioredis'],
  'rate-limit-redis': ['rate-limit-redis', 'ioredis'],
  redlock: ['redlock', 'ioredis'],
  '@sesamecare-oss/redlock': ['@sesamecare-oss/redlock', 'ioredis'],
  'redis-semaphore': ['redis-semaphore', 'ioredis'],
  'redlock-universal': ['redlock-universal', 'ioredis'],
};

/**
 * Which of the `wanted` are installed in a folder, or in a folder within it: BentoCache wants a major version of ioredis of
 * its own, so it may have to stay apart.
 */
export function peersIn(folder, wanted) {
  if (folder === undefined || wanted.length === 0) return { folder, names: [] };
  if (!existsSync(folder)) throw new Error(`There is no folder ${folder}. Give one that has the peers installed.`);
  const names = wanted.filter((peer) => homeOf(folder, peer) !== undefined);
  if (names.length === 0) throw new Error(`None of ${wanted.join(', ')} is installed in ${folder}.`);
  return { folder, names };
}

/** Imports a package as the peer itself would find it. */
export function importFor(folder, peer, name) {
  return import(pathToFileURL(requireFrom(homeOf(folder, peer)).resolve(name)));
}

/** Its name and version. */
export function versionOf(folder, peer) {
  const file = requireFrom(homeOf(folder, peer)).resolve(peer);
  for (let directory = path.dirname(file); ; directory = path.dirname(directory)) {
    const description = path.join(directory, 'package.json');
    if (!existsSync(description)) continue;
    const { name, version } = createRequire(file)(description);
    if (name === peer) return `${name} ${version}`;
  }
}

function homeOf(folder, peer) {
  const within = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const homes = [folder, ...within.map(({ name }) => path.join(folder, name))].filter((home) =>
    existsSync(path.join(home, 'node_modules')),
  );
  return homes.find((home) => PEERS[peer].every((name) => resolves(home, name)));
}

function resolves(home, name) {
  try {
    return requireFrom(home).resolve(name) !== undefined;
  } catch {
    return false;
  }
}

function requireFrom(home) {
  return createRequire(path.join(path.resolve(home), 'package.json'));
}
