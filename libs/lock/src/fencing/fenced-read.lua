-- Reads a value, and takes it away if asked to. The token stays.
--
-- KEYS[1]  see fenced-set.lua
-- ARGV[1]  the token; nothing, to read without one
-- ARGV[2]  how long the token is known, milliseconds
-- ARGV[3]  'delete', to take the value away
-- Returns  the value or nil, or the error FENCED and the higher token
if ARGV[1] ~= '' then
  local refused = fence(KEYS[1], ARGV[1], ARGV[2])
  if refused then
    return refused
  end
end
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then
  return false
end
local found = redis.call('HMGET', KEYS[1], 'value', 'until')
if ARGV[3] == 'delete' then
  redis.call('HDEL', KEYS[1], 'value', 'until')
end
local time = redis.call('TIME')
if (tonumber(found[2] or '') or 0) > time[1] * 1000 + math.floor(time[2] / 1000) then
  return found[1]
end
return false
