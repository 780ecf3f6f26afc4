export { RedisModule, type RedisModuleAsyncOptions } from './redis.module.js';
export type { AsyncModuleOptions, OptionsFactory } from './async-options.js';
export {
  type Address,
  type ClusterConnectionOptions,
  type EmbeddedConnectionOptions,
  type RedisConnectionOptions,
  type RedisModuleOptions,
  type SentinelConnectionOptions,
  type ServerConnectionOptions,
  type StandaloneConnectionOptions,
} from './redis.options.js';
export { redisOptionsFromEnv } from './redis-options-from-env.js';
export { RedisConnections } from './redis-connections.js';
export type {
  ConnectionEvent,
  ConnectionState,
  RedisConnection,
  RedisMode,
  Topology,
  TopologyNode,
} from './redis-connection.js';
export { InjectRedis } from './inject-redis.decorator.js';
export { getRedisToken } from './redis.tokens.js';
export {
  CodecError,
  EmbeddedConnectionError,
  NuthatchError,
  RedisKeyError,
  RedisOptionsError,
  RedisTimeoutError,
  RedisUnreachableError,
  ServiceNotInjectedError,
  UnknownConnectionError,
  type CommandOutcome,
} from './redis.errors.js';
export type { Duration } from './duration.js';
export type { Bytes } from './byte-size.js';
export type { Codec } from './codecs/codec.js';
export { createJsonCodec, jsonCodec, type JsonCodecOptions } from './codecs/json.codec.js';
export { jsonType, type JsonType } from './codecs/json-type.js';
export { CodecOptionsError } from './codecs/codec-options.error.js';
