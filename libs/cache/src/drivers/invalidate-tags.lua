-- Invalidates every entry that carries one of the tags, whatever their number.
-- KEYS[1]  the state of the tags: "<epoch>.<counter>.<floor>"
-- KEYS[2]  a sorted set: each tag that was ever invalidated, by the counter at its last time
-- ARGV[1]  a nonce, for a new epoch
-- ARGV[2]  how many tags are remembered
-- ARGV...  the tags
-- Returns  the new state
-- Invariant: whoever has an older counter and the same epoch finds what has changed since in the sorted set, or its
-- counter is below the floor.
local state = redis.call('GET', KEYS[1])
local epoch, counter, floor
if state then
  epoch, counter, floor = string.match(state, '^(%w+)%.(%d+)%.(%d+)$')
end
if not epoch or not redis.call('ZSCORE', KEYS[2], '\0' .. epoch) then
  -- One of the two keys was lost, and with it stamps: every tagged entry is of another epoch from now on.
  epoch, counter, floor = ARGV[1], 0, 0
  redis.call('DEL', KEYS[2])
  redis.call('ZADD', KEYS[2], -1, '\0' .. epoch)
end
counter = counter + 1
for index = 3, #ARGV do
  redis.call('ZADD', KEYS[2], counter, ARGV[index])
end
local excess = redis.call('ZCARD', KEYS[2]) - 1 - tonumber(ARGV[2])
if excess > 0 then
  floor = redis.call('ZRANGE', KEYS[2], excess, excess, 'WITHSCORES')[2]
  redis.call('ZREMRANGEBYRANK', KEYS[2], 1, excess)
end
state = string.format('%s.%.0f.%.0f', epoch, counter, floor)
redis.call('SET', KEYS[1], state)
return state
