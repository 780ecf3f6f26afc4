// For the sibling libs of the suite only: what is here may change in any release.
export {
  aroundMethod,
  injectInto,
  type AsyncMethod,
  type AsyncMethodDecorator,
  type MethodCall,
} from './around-method.js';
export { asyncOptionsProviders } from './async-options.js';
export { parseBytes } from './byte-size.js';
export { parseDuration } from './duration.js';
export { escapeGlob, escapeSegment, joinKey, type KeySegment } from './key.js';
export { OptionsReader } from './options-reader.js';
export { EmbeddedConnection } from './connections/embedded-connection.js';
export { ServerConnection } from './connections/server-connection.js';
export { RedisScript } from './scripts/redis-script.js';
export { slotOf, groupBySlot } from './slot.js';
export type { RunOptions, CommandArgument } from './scripts/command-runner.js';
export { Heartbeat } from './links/heartbeat.js';
export type { Subscriber } from './links/subscriber.js';
export type { InvalidationTracker } from './links/invalidation-tracker.js';
export type { ReplicatedReply, ReplicaWait } from './links/blocking-pool.js';
