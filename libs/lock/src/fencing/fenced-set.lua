-- Stores a value, unless a later holder of the lock has been there.
--
-- KEYS[1]  the hash: 'value'; 'until', when the value is over, milliseconds since 1970; 'fence', see fence.lua
-- ARGV[1]  the token
-- ARGV[2]  how long the token is known after the value is over, milliseconds
-- ARGV[3]  the value
-- ARGV[4]  how long it is kept, milliseconds
-- Returns  OK, or the error FENCED and the higher token
local refused = fence(KEYS[1], ARGV[1], ARGV[2])
if refused then
  return refused
end
local time = redis.call('TIME')
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[4]
redis.call('HSET', KEYS[1], 'value', ARGV[3], 'until', string.format('%.0f', ends))
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', ends + ARGV[2]))
return redis.status_reply('OK')
