/** The injection token of the ioredis client of a connection; see {@link InjectRedis}. */
export function getRedisToken(name = 'default'): symbol {
  // Symbol.for, so that two copies of this package in one node_modules mean the same token.
  return Symbol.for(`@nuthatch/redis:client:${name}`);
}
