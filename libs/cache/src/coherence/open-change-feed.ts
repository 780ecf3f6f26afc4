import type { ServerConnection } from '@nuthatch/redis/internal';
import type { ChangeFeed } from '../drivers/change-feed.js';
import { Announcer } from './announcer.js';
import { BroadcastFeed } from './broadcast-feed.js';
import { ChangeLog } from './change-log.js';
import { NegotiatedFeed } from './negotiated-feed.js';

/**
 * Begins to listen for changes of keys. Invariant: a feed that has been closed calls nobody, and holds nothing open.
 *
 * @param root begins the keys of the cache; all its processes must name the same
 * @param mode `tracking` becomes `broadcast`, with a warning, where a server refuses it. The processes of a cache must
 *   agree: one that tracks does not tell one that waits for broadcasts.
 * @param prefix only keys that begin with it are reported
 */
export function openChangeFeed(
  connection: ServerConnection,
  root: string,
  mode: 'tracking' | 'broadcast',
  prefix = root,
): ChangeFeed {
  if (mode === 'tracking') return new NegotiatedFeed(connection, root, prefix);
  const log = new ChangeLog(connection, root);
  return new BroadcastFeed(connection, log, new Announcer(log), prefix);
}
