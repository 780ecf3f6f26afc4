-- Tells which tags have been invalidated.
-- KEYS[1]  the state of the tags
-- KEYS[2]  the sorted set of their stamps
-- ARGV[1]  a nonce, for a new epoch
-- ARGV[2]  how many tags to tell of at most
-- ARGV[3]  the epoch that the caller knows, or ''
-- ARGV[4]  the counter that the caller knows
-- Returns  the state, the counter since when the answer is complete, and then tags and their stamps
local state = redis.call('GET', KEYS[1])
local epoch, counter, floor
if state then
  epoch, counter, floor = string.match(state, '^(%w+)%.(%d+)%.(%d+)$')
end
if not epoch or not redis.call('ZSCORE', KEYS[2], '\0' .. epoch) then
  epoch, floor = ARGV[1], '0'
  state = epoch .. '.0.0'
  redis.call('DEL', KEYS[2])
  redis.call('ZADD', KEYS[2], -1, '\0' .. epoch)
  redis.call('SET', KEYS[1], state)
end
local since = floor
if ARGV[3] == epoch and tonumber(ARGV[4]) > tonumber(floor) then
  since = ARGV[4]
end
local limit = tonumber(ARGV[2])
local stamps = redis.call('ZREVRANGEBYSCORE', KEYS[2], '+inf', '(' .. since, 'WITHSCORES', 'LIMIT', 0, limit)
if #stamps == 2 * limit then
  since = stamps[#stamps]
end
local reply = { state, since }
for index = 1, #stamps do
  reply[index + 2] = stamps[index]
end
return reply
